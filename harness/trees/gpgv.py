# SPDX-License-Identifier: GPL-2.0-only
"""Runs gpgv, which checks a detached signature against a keyring."""

from pathlib import Path

from harness.errors import InputError
from harness.host.processes import process


def check(
    file: Path, signature: Path, keyring: Path, home: Path, *, log: Path, deadline: process.Deadline
) -> None:
    """Raise InputError unless the signature over `file` is good, by a key of the keyring."""
    # gpgv looks for a name without a slash in its home folder.
    argv = ["gpgv", "--homedir", str(home), "--keyring", str(keyring.resolve())]
    printed: list[str] = []
    done = process.run(
        [*argv, str(signature), str(file)],
        log=log,
        deadline=deadline,
        ok=None,
        on_line=printed.append,
    )
    if done.exit_code != 0:
        raise InputError(
            "the signature is not valid",
            where=str(signature),
            expected=f"one by a key in {keyring}",
            hint="check the keyring; otherwise do not trust this tarball",
            detail="\n".join(printed[-4:]),
        )
