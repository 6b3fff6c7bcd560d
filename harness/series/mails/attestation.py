# SPDX-License-Identifier: GPL-2.0-only
"""Parses what b4 prints about the signatures of fetched patches: DKIM, patatt, or none. Pure.

b4 prints a line per patch with its signatures below, or one list for all patches below a rule.
"""

import re

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
#: `  ✓ [PATCH v2 3/7] subject`; v and x without UTF-8.
_PATCH = re.compile(r"  (?:[✓✗vx] )?\[PATCH\b([^\]]*)\]")
_SIGNATURE = re.compile(r"(  |    )[✓✗vx] (Signed|BADSIG|No key): (\S.{0,200})")
_PLACE = re.compile(r"\b(\d{1,4})/\d{1,4}\b")
_WORDS = {"Signed": "signed", "BADSIG": "bad signature", "No key": "no key"}
NONE = "none"


def attestations(text: str) -> tuple[str, ...]:
    """Return each patch's signatures in order, such as `signed: DKIM/example.org`, or `none`.

    Empty if b4 listed no patch.
    """
    own: dict[int, list[str]] = {}
    common: list[str] = []
    number = 0
    for raw in text.splitlines():
        line = _ANSI.sub("", raw)
        if match := _PATCH.match(line):
            place = _PLACE.search(match[1])
            number = int(place[1]) if place else 1
            own[number] = []
        elif match := _SIGNATURE.fullmatch(line):
            signature = f"{_WORDS[match[2]]}: {match[3]}"
            if match[1] == "    " and number:
                own[number].append(signature)
            elif own:
                common.append(signature)
    if sorted(own) != list(range(1, len(own) + 1)):
        return ()
    return tuple("; ".join(own[n] or common) or NONE for n in sorted(own))
