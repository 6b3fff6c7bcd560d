# SPDX-License-Identifier: GPL-2.0-only
"""Runs b4, which fetches threads by message-id and selects a series from mails.

b4 gets a home folder of its own: of the user's git and b4 configuration, only where mail comes from
is passed on. The rest must not change what is selected, and may run programs.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.host.processes import process
from harness.host.processes.venv import installed

_HAS_ID = re.compile(rb"^message-id:\s*<[^<>\s]+>", re.IGNORECASE | re.MULTILINE)
#: b4 reads [PATCH v6,1/2] as one word.
_SUBJECT = re.compile(rb"^subject:[^\]\n]*\]", re.IGNORECASE | re.MULTILINE)
_FROM = re.compile(rb"^From (?!harness@memmap-harness\.invalid )", re.MULTILINE)
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


def select(
    mails: Sequence[bytes],
    version: int | None,
    folder: Path,
    *,
    log: Path,
    deadline: process.Deadline,
) -> bytes:
    """Return the mbox of the series that b4 selects offline; empty if it selects none.

    `version` None is the latest that b4 finds. Works in `folder`. Raises ToolFailed, TimedOut.
    """
    given, selected = folder / "mails.mbx", folder / "series.mbx"
    # b4 splits an mbox at every line that begins with "From ".
    text = _FROM.sub(rb">From ", mbox(mails))
    given.write_bytes(_SUBJECT.sub(lambda match: match[0].replace(b",", b" "), text))
    selected.unlink(missing_ok=True)
    argv = [installed("b4"), "--no-stdin", "--offline-mode", *_am(folder, version)]
    argv += ["--use-local-mbox", str(given)]
    env = _environment(folder, folder / "home")
    process.run(argv, log=log, deadline=deadline, cwd=folder, env=env, called="b4")
    return selected.read_bytes() if selected.exists() else b""


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
    argv = [installed("b4"), "--no-stdin", *_am(folder, version), message_id]
    env = _environment(folder, home)
    process.run(argv, log=log, deadline=deadline, cwd=folder, env=env, called="b4", on_line=on_line)
    return folder / "series.mbx"


def thread(
    message_id: str,
    settings: Mapping[str, str],
    folder: Path,
    *,
    log: Path,
    deadline: process.Deadline,
    on_line: Callable[[str], None] | None = None,
) -> Path:
    """Fetch the thread of a message, with all replies, into `folder`; return the mbox.

    `settings` are b4's that say where mail comes from. `on_line` gets each line that b4 prints.
    Raises ToolFailed, TimedOut.
    """
    argv = [installed("b4"), "--no-stdin", "mbox", "--outdir", str(folder)]
    # In brackets it cannot be taken for an option.
    argv += ["--mbox-name", "thread.mbx", f"<{message_id}>"]
    env = _environment(folder, folder / "home", settings)
    process.run(argv, log=log, deadline=deadline, cwd=folder, env=env, called="b4", on_line=on_line)
    return folder / "thread.mbx"


def attest(
    mails: Sequence[bytes],
    settings: Mapping[str, str],
    folder: Path,
    *,
    log: Path,
    deadline: process.Deadline,
) -> tuple[str, ...]:
    """Return the lines that b4 prints about the patches of one series and their signatures.

    b4 looks for keys in the DNS, and for trailers in the archive that `settings` name. Works in
    `folder`. Raises ToolFailed, TimedOut.
    """
    given = folder / "mails.mbx"
    given.write_bytes(b"".join(mails))
    argv = [installed("b4"), "--no-stdin", *_am(folder, None), "--use-local-mbox", str(given)]
    printed: list[str] = []
    env = _environment(folder, folder / "home", settings)
    process.run(
        argv, log=log, deadline=deadline, cwd=folder, env=env, called="b4", on_line=printed.append
    )
    return tuple(printed)


def _am(folder: Path, version: int | None) -> list[str]:
    # A reroll that b4 completes from an older version is not what was posted.
    argv = ["am", "--no-cover", "--no-add-trailers", "--no-partial-reroll"]
    argv += ["--outdir", str(folder), "--mbox-name", "series.mbx"]
    return argv if version is None else [*argv, "--use-version", str(version)]


def _environment(
    folder: Path, home: Path, settings: Mapping[str, str] | None = None
) -> dict[str, str]:
    given = {f"b4.{name}": value for name, value in (settings or {}).items()}
    return {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        # These keep all other configuration out.
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(folder),
        "GIT_CONFIG_COUNT": str(len(given)),
        **{f"GIT_CONFIG_KEY_{n}": name for n, name in enumerate(given)},
        **{f"GIT_CONFIG_VALUE_{n}": value for n, value in enumerate(given.values())},
    }
