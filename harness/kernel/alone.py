# SPDX-License-Identifier: GPL-2.0-only
"""Compiles one object again with the command that kbuild saved, without make.

Before make compiles an object, it checks everything that a build prepares, which takes a second. If
only C files and headers changed since the last make, and only objects are made from them, make
would run the same command. The O= folder stays as make left it, so the next make sees every change.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import ToolFailed
from harness.git.git import Git
from harness.host.digest import value_digest
from harness.host.untrusted_folder import NotMade
from harness.kernel import configure
from harness.kernel.make import compiler_warnings
from harness.kernel.make.cmd_file import saved_commands
from harness.kernel.make.kbuild import Make

#: A file in the O= folder: the commit that make last built an object of, and the folder's state.
MADE = "harness.made"
#: Folder of the object in the O= folder.
_FOLDER = "harness.alone"
_COMMIT = re.compile(r"[0-9a-f]{40}")
#: The path of a file that make only compiles or includes.
_PLAIN = re.compile(r"(?!(?:scripts|tools|usr)/).*\.[ch]")
#: Folders whose objects become programs, or images that headers are made from.
_OF_THE_BUILD = frozenset(("scripts", "tools", "usr", "vdso"))


def remember(make: Make, commit: str) -> None:
    """Record that make has just built an object of a commit."""
    with contextlib.suppress(OSError, NotMade):
        make.output.write(MADE, f"{commit} {_state(make)}".encode(), durable=True)


def compiled(make: Make, git: Git, commit: str, name: str, into: Path) -> bool:
    """Compile the object `name` to `into`; return False, having written nothing, if make has to."""
    with contextlib.suppress(OSError, NotMade, ValueError, ToolFailed):
        before, _, state = make.output.text(MADE).partition(" ")
        changed = _changed(git, before, commit)
        if state != _state(make) or changed is None:
            return False
        files = frozenset(f"{make.source}/{path}" for path in changed)
        if not all(files.isdisjoint(make.output.text(other).split()) for other in _others(make)):
            return False
        at = Path(name)
        text = make.output.text(str(at.with_name(f".{at.name}.cmd")))
        target = f"{_FOLDER}/{at.name}"
        folder = make.output.emptied(_FOLDER)
        # Without O=, kbuild uses relative names of sources, which the command would not find.
        if f"{make.source}/" not in text:
            return False
        for argv in saved_commands(text, name):
            # Only make needs the dependency file.
            own = [target if word == name else word for word in argv if "-MMD" not in word]
            make.run(["env", "-C", str(make.output.path), *own])
        folder.copy(at.name, into)
        return True
    return False


def _state(make: Make) -> str:
    """Return a digest that changes with the configuration, and whenever make builds anything."""
    started = make.output.path / compiler_warnings.STARTED
    recorded = (make.output.path / compiler_warnings.WARNINGS).lstat().st_mtime_ns
    if os.path.lexists(started):
        raise NotMade("the last make was interrupted", where=str(make.output.path))
    return value_digest((make.output.text(configure.NOTE), recorded))


def _changed(git: Git, before: str, after: str) -> list[str] | None:
    """Return the C files and headers that differ; None if anything else does."""
    if not _COMMIT.fullmatch(before):
        return None
    done = git("diff-tree", "-r", "-z", "--name-status", "--no-renames", before, after, ok=None)
    words = done.stdout.split("\0")[:-1]
    states, paths = words[0::2], words[1::2]
    plain = all(state == "M" for state in states) and all(map(_PLAIN.fullmatch, paths))
    return paths if plain and done.exit_code == 0 else None


def _others(make: Make) -> Iterator[str]:
    """Yield the .cmd files of what make prepares: all but those of the kernel's objects."""
    for folder, _, names in os.walk(make.output.path):
        inner = Path(folder).relative_to(make.output.path)
        ours = _OF_THE_BUILD.isdisjoint(inner.parts)
        for name in names:
            if name.endswith(".cmd") and not (ours and name.endswith(".o.cmd")):
                yield str(inner / name)
