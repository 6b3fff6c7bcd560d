# SPDX-License-Identifier: GPL-2.0-only
"""What the compiler warned of in an O= folder, known from make to make, and across one that is cut.

A make that is killed leaves objects of which nobody heard whether they were warned of. What it
printed until then is kept as it comes, so those are told from the others, and made again.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from harness.parse.warned import Reader, Warned, joined
from harness.tools.untrusted import Folder, NotMade

#: The warnings of all objects that are there, by object. Not there where nobody knows them.
WARNINGS = "harness.warnings"
#: When the make began that runs, or was cut, and the lines that it printed since.
HEARD = "harness.heard"
#: Of a time in ns.
MOST_DIGITS = 20
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Ledger:
    """The warnings of the objects in an O= folder; `source` is the source folder's path."""

    def __init__(self, output: Folder, source: str) -> None:
        self._output = output
        self._source = source
        self._heard = output.path / HEARD

    def begin(self) -> None:
        """Note that nothing was compiled in the folder, and nothing warned of."""
        self._write({})

    @property
    def warned(self) -> Warned | None:
        """The warnings of all objects that are there, by object; None where nobody knows them."""
        return None if os.path.lexists(self._heard) else self._noted()

    @contextlib.contextmanager
    def hearing(self) -> Iterator["Ear"]:
        """Give what is to hear each line that a make prints. Whatever is raised, it was cut."""
        self._recover()
        before = self._noted()
        with Ear(self._heard, self._source) as ear:
            yield ear
        if before is not None and not ear.is_deaf:
            self._write(joined((before, ear.found)))
        else:
            self._output.remove(WARNINGS)
        self._output.remove(HEARD)

    def _recover(self) -> None:
        """Take in what a make that was cut has made, and remove what it was not heard to finish."""
        if not os.path.lexists(self._heard):
            return
        # The last line is empty, or was not written to its end.
        began, *lines = self._text(HEARD).split("\n")[:-1] or [""]
        reader = Reader(self._source)
        for line in lines:
            reader.hear(line)
        # More may have been on its way about what was named last.
        made = {name: counts for name, counts in reader.found.items() if name != reader.last}
        # Without a time the make had not begun.
        if began.isdecimal() and len(began) <= MOST_DIGITS:
            for path in self._made_since(int(began)):
                if not {str(path), str(path.relative_to(self._output.path))} & made.keys():
                    path.unlink()
        before = self._noted()
        if before is not None:
            self._write(joined((before, made)))
        self._output.remove(HEARD)

    def _made_since(self, began_ns: int) -> Iterator[Path]:
        """What kbuild, or a plain rule for an object, made since then."""
        for folder, _, files in os.walk(self._output.path):
            names = set(files)
            for name in files:
                path = Path(folder, name)
                command = f".{name}.cmd"
                if (name.endswith(".o") or command in names) and not path.is_symlink():
                    times = [path, *([path.with_name(command)] if command in names else [])]
                    if max(p.lstat().st_mtime_ns for p in times) >= began_ns:
                        yield path

    def _noted(self) -> Warned | None:
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.json.decode(self._text(WARNINGS), type=dict[str, dict[str, int]])
        return None

    def _text(self, name: str) -> str:
        with contextlib.suppress(NotMade):
            return self._output.text(name)
        return ""

    def _write(self, warned: Warned) -> None:
        some = {name: counts for name, counts in warned.items() if counts}
        self._output.write(WARNINGS, msgspec.json.encode(some), durable=True)


class Ear:
    """Hears the lines of one make, and keeps each before anything can happen to us."""

    def __init__(self, file: Path, source: str) -> None:
        self._reader = Reader(source)
        self._file = os.fdopen(os.open(file, NEW, 0o644), "wb", buffering=0)
        self.is_deaf = False

    def __enter__(self) -> Self:
        # The file system's clock, for its times are what this is compared with.
        self._keep(str(os.fstat(self._file.fileno()).st_mtime_ns))
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def hear(self, line: str) -> None:
        """Hear the next line."""
        self._reader.hear(line)
        self._keep(line)

    def _keep(self, line: str) -> None:
        # A full disk may fail the make, but its failure is not ours to raise.
        try:
            self._file.write(line.encode("utf-8", "replace") + b"\n")
        except OSError:
            self.is_deaf = True

    @property
    def found(self) -> Warned:
        """What was made, and how often each warning was given for it."""
        return self._reader.found
