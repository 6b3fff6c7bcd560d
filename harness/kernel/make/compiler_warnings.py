# SPDX-License-Identifier: GPL-2.0-only
"""Compiler warnings by object in an O= folder, from make to make.

The warnings of the objects that an interrupted make left may not have been seen. So these objects
are deleted before the next make, which compiles them again.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.host.untrusted_folder import NotMade, UntrustedFolder
from harness.kernel.make.warning_lines import Warned

#: The warnings of all objects that are there, by object. Missing if they are unknown.
WARNINGS = "harness.warnings"
#: There while a make runs, and after one that was interrupted; as old as the start of the make.
STARTED = "harness.started"


def begin(output: UntrustedFolder) -> None:
    """Record that the folder has no object yet, and no warning."""
    _write(output, {})


def warned(output: UntrustedFolder) -> Warned | None:
    """Return the warnings of all objects, by object; None if they are unknown."""
    return None if os.path.lexists(output.path / STARTED) else _recorded(output)


def start(output: UntrustedFolder) -> None:
    """Delete what an interrupted make left, and record that a make starts."""
    before = output.path / STARTED
    if os.path.lexists(before):
        for path in _made_since(output, before.lstat().st_mtime_ns):
            path.unlink()
    # The times of objects come from the file system's clock, so the start does too.
    output.write(STARTED, b"", durable=True)


def finish(output: UntrustedFolder, heard: Warned | None) -> None:
    """Record the warnings that the make gave, by object; None if its output was cut short."""
    before = _recorded(output)
    if before is None or heard is None:
        output.remove(WARNINGS)
    else:
        _write(output, {**before, **heard})
    output.remove(STARTED)


def _made_since(output: UntrustedFolder, start_ns: int) -> Iterator[Path]:
    """Yield what kbuild, or a plain rule for an object, made since then."""
    for folder, _, files in os.walk(output.path):
        names = set(files)
        for name in files:
            path = Path(folder, name)
            command = f".{name}.cmd"
            if (name.endswith(".o") or command in names) and not path.is_symlink():
                times = [path, *([path.with_name(command)] if command in names else [])]
                if max(p.lstat().st_mtime_ns for p in times) >= start_ns:
                    yield path


def _recorded(output: UntrustedFolder) -> Warned | None:
    with contextlib.suppress(msgspec.MsgspecError, NotMade):
        return msgspec.json.decode(output.data(WARNINGS), type=dict[str, dict[str, int]])
    return None


def _write(output: UntrustedFolder, by_object: Warned) -> None:
    some = {name: counts for name, counts in by_object.items() if counts}
    output.write(WARNINGS, msgspec.json.encode(some), durable=True)
