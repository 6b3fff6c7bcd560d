# SPDX-License-Identifier: GPL-2.0-only
"""configs/packages.txt to values: what is needed of the distribution, and what it is called there.

The file is read by `bootstrap` as well; its own head says what the columns mean.
"""

import re

import msgspec

DISTRIBUTIONS = ("debian", "fedora", "arch", "opensuse")
_ALIASES = {"ubuntu": "debian", "rhel": "fedora", "suse": "opensuse"}


class Need(msgspec.Struct, frozen=True):
    """One need: `kind` is command, static, header or python, `package` "-" where it has none."""

    kind: str
    name: str
    scope: str
    packages: dict[str, str]
    purpose: str


def needs(text: str) -> tuple[Need, ...]:
    """Return the table. Raises ValueError naming the line that does not fit."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = line.split(maxsplit=6)
        kind, colon, name = columns[0].partition(":")
        if len(columns) < 7 or not colon:
            raise ValueError(f"line {number}: not KIND:NAME, scope, four packages and a purpose")
        packages = dict(zip(DISTRIBUTIONS, columns[2:6], strict=True))
        found.append(Need(kind, name, columns[1], packages, columns[6]))
    return tuple(found)


def distribution(os_release: str) -> str:
    """Return the column for a machine's os-release(5); empty for one that has none."""
    said = dict(re.findall(r"^(ID|ID_LIKE)=[\"']?([^\"'\n]*)", os_release, re.MULTILINE))
    for name in f"{said.get('ID', '')} {said.get('ID_LIKE', '')}".split():
        known = _ALIASES.get(name, "opensuse" if "suse" in name else name)
        if known in DISTRIBUTIONS:
            return known
    return ""
