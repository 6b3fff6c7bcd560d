# SPDX-License-Identifier: GPL-2.0-only
"""Parses the release out of a kernel's top Makefile. Pure."""

import re

_LINE = re.compile(
    r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*([\w.+-]*)[ \t]*$", re.M | re.A
)


def release(text: str) -> str | None:
    """Return the release as tags name it (7.2.13, 7.3-rc7); None for another project's Makefile."""
    found = dict(_LINE.findall(text))
    if not found.get("VERSION", "").isdigit() or not found.get("PATCHLEVEL", "").isdigit():
        return None
    sublevel = found.get("SUBLEVEL", "")
    # Tags leave out a SUBLEVEL of 0: v7.3-rc7, not v7.3.0-rc7.
    third = f".{sublevel}" if sublevel not in ("", "0") else ""
    named = f"{found['VERSION']}.{found['PATCHLEVEL']}{third}{found.get('EXTRAVERSION', '')}"
    # The release becomes a tag, and git forbids such names.
    return None if ".." in named or named.endswith((".", ".lock")) else named
