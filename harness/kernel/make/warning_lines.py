# SPDX-License-Identifier: GPL-2.0-only
"""Parses compiler warnings by object from kbuild's output. Pure.

The output must be grouped by target (`make -Otarget`): a warning belongs to the target named last.
"""

import re
from collections import Counter
from collections.abc import Mapping

#: `  CC      mm/mm_init.o`, `  CC [M]  lib/test_hmm.o`.
_MADE = re.compile(r"\s{2}[A-Z][A-Z0-9_+-]*(?: \[M\])?\s+(\S+)")
#: `mm/mm_init.c:12:5: warning: …`, `vmlinux.o: warning: objtool: …`, `ld: warning: …`, and without
#: the space `init/Kconfig:12:warning: …`.
_WARNING = re.compile(
    r"(?P<file>[^\s:][^:]*)(?:(?::\d+)*: |:\d+:)(?:warning|WARNING): (?P<text>\S.*)"
)
#: `WARNING: modpost: vmlinux: section mismatch in reference: …`, and lib/test_fortify's
#: `warning: unsafe memcpy() usage lacked …`.
_OTHER = re.compile(r"(?:warning|WARNING): (?P<text>\S.*)")
_OFFSET = re.compile(r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?")

#: Per object made, how often each warning was given.
Warned = Mapping[str, Mapping[str, int]]


class Reader:
    """Reads the lines of one or more runs of make. `source` is the source folder's path."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._last = ""
        self._found: dict[str, Counter[str]] = {}

    def hear(self, line: str) -> None:
        """Read the next line."""
        if match := _MADE.fullmatch(line.rstrip()):
            self._last = match[1]
            self._found[self._last] = Counter()
        elif text := warning(line, self._source):
            self._found.setdefault(self._last, Counter())[text] += 1

    @property
    def found(self) -> dict[str, dict[str, int]]:
        """Return how often each warning was given, per object made."""
        return {name: dict(counts) for name, counts in self._found.items()}


def warning(line: str, source: str = "") -> str:
    """Return the warning in a line; empty if there is none.

    Line numbers and offsets are left out: a patch that moves a line adds no warning.
    """
    line = line.strip()
    match = _WARNING.match(line)
    if match is None:
        other = _OTHER.match(line)
        return _OFFSET.sub("", other["text"]) if other else ""
    file = match["file"].removeprefix(f"{source}/") if source else match["file"]
    while file.startswith("../"):
        file = file[3:]
    return f"{file}: {_OFFSET.sub('', match['text'])}"


def together(warned: Warned) -> dict[str, int]:
    """Return how often each warning is given; one of a header counts once."""
    found: Counter[str] = Counter()
    for counts in warned.values():
        found |= Counter(counts)
    return dict(sorted(found.items()))


def new(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[str, ...]:
    """Return the warnings given more often than before, sorted."""
    return tuple(sorted(Counter(after) - Counter(before)))
