# SPDX-License-Identifier: GPL-2.0-only
"""Parser of configs/packages.txt. Pure: text in, values out.

`bootstrap` reads the file as well; its header describes the columns.
"""

import re

import msgspec

DISTRIBUTIONS = ("debian", "fedora", "arch", "opensuse")
_ALIASES = {"ubuntu": "debian", "rhel": "fedora", "suse": "opensuse"}


class Need(msgspec.Struct, frozen=True):
    """A need: `kind` is command, static, header or python; package "-" is none."""

    kind: str
    name: str
    scope: str
    packages: dict[str, str]
    purpose: str


def needs(text: str) -> tuple[Need, ...]:
    """Return the table. Raises ValueError naming the invalid line."""
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
    """Return the column for a machine's os-release(5); "" for an unknown distribution."""
    ids = dict(re.findall(r"^(ID|ID_LIKE)=[\"']?([^\"'\n]*)", os_release, re.MULTILINE))
    for name in f"{ids.get('ID', '')} {ids.get('ID_LIKE', '')}".split():
        known = _ALIASES.get(name, "opensuse" if "suse" in name else name)
        if known in DISTRIBUTIONS:
            return known
    return ""
