# SPDX-License-Identifier: GPL-2.0-only
"""Downloads over http and https, with a deadline and a size limit."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from harness.errors import InputError, MachineError, of_machine
from harness.host.processes.process import Deadline
from harness.host.units import format_bytes

#: Eight times the tarball of a kernel of 2026.
MAX_BYTES = 2 << 30
#: Timeout of each read.
SILENCE_S = 30.0
_CHUNK = 1 << 18


def is_url(location: str) -> bool:
    """Return whether a location is a URL, not a path."""
    return location.startswith(("http://", "https://"))


def download(url: str, file: Path, deadline: Deadline, max_bytes: int = MAX_BYTES) -> None:
    """Download a URL into a file.

    Raises InputError (not found, too large) or MachineError (no network, too slow).
    """
    if not is_url(url):
        raise InputError("not a URL", where=url, expected="http:// or https://")
    try:
        timeout = min(SILENCE_S, deadline.remaining)
        with (
            urllib.request.urlopen(url, timeout=timeout) as source,  # noqa: S310 (see is_url)
            file.open("wb") as target,
        ):
            taken = 0
            while chunk := source.read(_CHUNK):
                taken += len(chunk)
                if taken > max_bytes:
                    raise InputError(f"larger than {format_bytes(max_bytes)}", where=url)
                if deadline.remaining == 0:
                    raise MachineError(f"took over {deadline.seconds:.0f} s", where=url)
                _write(target, chunk)
            announced = source.headers.get("Content-Length", "")
            # Python's own check of this came with 3.12.
            if announced.isdecimal() and taken != int(announced):
                raise MachineError(
                    f"the download ended after {taken} of {announced} bytes",
                    where=url,
                    hint="try again, or download it elsewhere and give its path",
                )
    except urllib.error.HTTPError as error:
        kind = InputError if 400 <= error.code < 500 else MachineError
        raise kind(f"the server answered {error.code} {error.reason}", where=url) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise MachineError(
            f"cannot be fetched: {reason}",
            where=url,
            hint="check the network, or download it elsewhere and give its path",
        ) from error


def _write(target: IO[bytes], chunk: bytes) -> None:
    try:
        target.write(chunk)
    except OSError as error:
        raise of_machine(error, target.name) or error from error
