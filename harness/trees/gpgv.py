# SPDX-License-Identifier: GPL-2.0-only
"""gpgv: detached signatures, checked against a file of keys and nothing else."""

from pathlib import Path

from harness.errors import InputError
from harness.host import process


def check(
    file: Path, signature: Path, keyring: Path, home: Path, *, log: Path, deadline: process.Deadline
) -> None:
    """Raise InputError unless the signature over `file` is good, by a key of the keyring."""
    # A name without slash would be looked for in gpgv's home folder, which is ours and empty.
    argv = ["gpgv", "--homedir", str(home), "--keyring", str(keyring.resolve())]
    heard: list[str] = []
    done = process.run(
        [*argv, str(signature), str(file)],
        log=log,
        deadline=deadline,
        ok=None,
        on_line=heard.append,
    )
    if done.exit_code != 0:
        raise InputError(
            "the signature does not hold",
            where=str(signature),
            expected=f"one by a key in {keyring}",
            hint="do not trust this tarball, unless the keyring is the wrong one",
            detail="\n".join(heard[-4:]),
        )
