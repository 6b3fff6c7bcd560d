# SPDX-License-Identifier: GPL-2.0-only
"""Sorts kernel releases: v7.3-rc7, v7.3, v7.3.1."""

import re

_RELEASE = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?(?:[-~]rc(\d{1,4}))?")
#: Sorts after every release candidate.
_FINAL = 10_000

Order = tuple[int, int, int, int]


def order(name: str) -> Order | None:
    """Return the sort key of a release's tag or version; None for other names.

    Stable releases sort between their own release and the next one's candidates.
    """
    match = _RELEASE.fullmatch(name)
    if match is None:
        return None
    major, minor, patch, candidate = match.groups()
    return int(major), int(minor), int(patch or 0), int(candidate) if candidate else _FINAL
