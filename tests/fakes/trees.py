# SPDX-License-Identifier: GPL-2.0-only
"""Git and file operations on trees of tests."""

import os
import subprocess
from pathlib import Path

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "A Developer"),
        ("EMAIL", "dev@example.org"),
        ("DATE", "2026-01-01T00:00:00Z"),
    )
}


def git(folder: Path, *arguments: str, stdin: str = "") -> str:
    """Run git without the user's settings and return its output."""
    argv = ["git", "-C", str(folder), *arguments]
    env = os.environ | IDENTITY | {"GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(argv, input=stdin, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def everything(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return the mode, time and content of every file, folder and link."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        content = bytes(path.readlink()) if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        found[str(path)] = (status.st_mode, status.st_mtime_ns, content)
    return found


def edit(file: Path, old: str, new: str) -> None:
    """Replace each `old` in a file with `new`."""
    text = file.read_text()
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new))
