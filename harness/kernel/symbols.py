# SPDX-License-Identifier: GPL-2.0-only
"""Parses `nm --print-size` and compares symbol sizes of two kernels. Pure."""

import re
from collections.abc import Mapping

from harness.record.record import Symbol

#: Numbers that the compiler adds: `__func__.12`, `copy.constprop.0`, `__UNIQUE_ID_ddebug_34.5`.
#: They change with other code of the file.
_NUMBER = re.compile(r"\.\d+")
_UNIQUE = re.compile(r"(__UNIQUE_ID_\w*?)\d+")
_LINE = re.compile(r"[0-9a-f]+ ([0-9a-f]+) [A-Za-z] (\S+)")


def sizes(nm: str) -> dict[str, int]:
    """Return sizes by name, without the compiler's numbers; equal names are added up."""
    found: dict[str, int] = {}
    for line in nm.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match:
            name = _UNIQUE.sub(r"\1", _NUMBER.sub("", match[2]))
            found[name] = found.get(name, 0) + int(match[1], 16)
    return found


def changed(base: Mapping[str, int], build: Mapping[str, int]) -> tuple[Symbol, ...]:
    """Return the symbols whose size differs, the largest difference first."""
    names = [n for n in {**base, **build} if base.get(n) != build.get(n)]
    names.sort(key=lambda n: (-abs(build.get(n, 0) - base.get(n, 0)), n))
    return tuple(Symbol(n, base.get(n), build.get(n)) for n in names)
