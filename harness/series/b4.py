# SPDX-License-Identifier: GPL-2.0-only
"""b4: applies a series given as an mbox; fetches one by message-id. A program, never a module.

b4 reads the user's git and b4 configuration and keeps files in the home folder; here it gets a
home of its own, so that nobody's settings change what is applied.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.host import process
from harness.host.venv import installed

_HAS_ID = re.compile(rb"^message-id:", re.IGNORECASE | re.MULTILINE)
_SEPARATOR = b"From harness@memmap-harness.invalid Thu Jan  1 00:00:00 1970\n"


def mbox(mails: Sequence[bytes]) -> bytes:
    """Return mails as the one thread b4 wants: each with a message-id, all answering the first.

    Files of `git format-patch` have no message-id unless it was asked for.
    """
    out = b""
    for number, raw in enumerate(mails, 1):
        text = raw.replace(b"\r\n", b"\n")
        if text.startswith(b"From "):
            text = text.partition(b"\n")[2]
        head, blank, body = text.partition(b"\n\n")
        if not _HAS_ID.search(head):
            head += b"\nMessage-ID: <%d.patch@memmap-harness.invalid>" % number
            if number > 1:
                head += b"\nReferences: <1.patch@memmap-harness.invalid>"
        out += _SEPARATOR + head + blank + body.rstrip(b"\n") + b"\n\n"
    return out


def shazam(
    worktree: Path,
    series: Path,
    home: Path,
    env: Mapping[str, str],
    *,
    log: Path,
    deadline: process.Deadline,
) -> process.Finished:
    """Apply an mbox on the worktree's HEAD without network. Raises ToolFailed, TimedOut."""
    argv = [installed("b4"), "--no-stdin", "--offline-mode", "shazam", "-m", str(series)]
    return process.run(
        argv, log=log, deadline=deadline, cwd=worktree, env={**env, **_homes(home)}, called="b4"
    )


def fetch(
    message_id: str,
    version: int,
    folder: Path,
    home: Path,
    *,
    log: Path,
    deadline: process.Deadline,
    on_line: Callable[[str], None] | None = None,
) -> Path:
    """Fetch a version of the series that a message belongs to and return its mbox in `folder`.

    `on_line` hears what b4 says, of signatures too (harness.series.attestation).
    Trailers that reviewers sent later are left out, so that the file is the same on every day.
    Raises ToolFailed, TimedOut.
    """
    argv = [installed("b4"), "--no-stdin", "am", "--no-cover", "--no-add-trailers"]
    argv += ["--use-version", str(version), "--outdir", str(folder)]
    argv += ["--mbox-name", "series.mbx", message_id]
    # Git's variables keep out the configuration that the user's own b4 works with.
    env = {**_homes(home), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CEILING_DIRECTORIES": str(folder)}
    process.run(argv, log=log, deadline=deadline, cwd=folder, env=env, called="b4", on_line=on_line)
    return folder / "series.mbx"


def _homes(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
    }
