# SPDX-License-Identifier: GPL-2.0-only
"""What `nm --print-size` says, as sizes by name; and which of them differ between two kernels."""

import re
from collections.abc import Mapping

from harness.record.record import Symbol

#: What the compiler numbers: `__func__.12`, `copy.constprop.0`, `__UNIQUE_ID_ddebug_34.5`. The
#: numbers move with whatever else is in the file, so they tell nothing of the symbol.
_NUMBER = re.compile(r"\.\d+")
_UNIQUE = re.compile(r"(__UNIQUE_ID_\w*?)\d+")
_LINE = re.compile(r"[0-9a-f]+ ([0-9a-f]+) [A-Za-z] (\S+)")


def sizes(nm: str) -> dict[str, int]:
    """Return bytes by name from nm's lines; symbols without a size are left out.

    Those that share a name, but for a number that the compiler gave them, are added up.
    """
    found: dict[str, int] = {}
    for line in nm.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match:
            name = _UNIQUE.sub(r"\1", _NUMBER.sub("", match[2]))
            found[name] = found.get(name, 0) + int(match[1], 16)
    return found


def changed(base: Mapping[str, int], build: Mapping[str, int]) -> tuple[Symbol, ...]:
    """Return the symbols whose size differs, the one that grew or shrank most first."""
    names = [n for n in {**base, **build} if base.get(n) != build.get(n)]
    names.sort(key=lambda n: (-abs(build.get(n, 0) - base.get(n, 0)), n))
    return tuple(Symbol(n, base.get(n), build.get(n)) for n in names)
