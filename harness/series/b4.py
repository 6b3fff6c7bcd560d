# SPDX-License-Identifier: GPL-2.0-only
"""Runs b4, which applies a series from an mbox and fetches one by message-id.

b4 gets a home folder of its own: the user's git and b4 configuration must not change what is
applied.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.host import process
from harness.host.venv import installed

_HAS_ID = re.compile(rb"^message-id:", re.IGNORECASE | re.MULTILINE)
_SEPARATOR = b"From harness@memmap-harness.invalid Thu Jan  1 00:00:00 1970\n"


def mbox(mails: Sequence[bytes]) -> bytes:
    """Return mails as one thread, as b4 expects: each has a message-id and answers the first.

    `git format-patch` writes message-ids only with --thread.
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
    """Apply an mbox to the worktree's HEAD, offline. Raises ToolFailed, TimedOut."""
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
    """Fetch a version of a message's series into `folder` and return the mbox.

    `on_line` gets each line that b4 prints. Reviewers' later trailers are left out, so that the
    file does not change from day to day. Raises ToolFailed, TimedOut.
    """
    argv = [installed("b4"), "--no-stdin", "am", "--no-cover", "--no-add-trailers"]
    argv += ["--use-version", str(version), "--outdir", str(folder)]
    argv += ["--mbox-name", "series.mbx", message_id]
    # These keep the user's git configuration out.
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
