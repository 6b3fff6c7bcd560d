# SPDX-License-Identifier: GPL-2.0-only
"""Parses the output of `git range-diff` into pairs of patches. Pure."""

import re
from typing import Literal

import msgspec

Relation = Literal["=", "!", "<", ">"]


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A patch before and after, numbered from 1 (None: absent), and git range-diff's mark.

    `=` equal, `!` changed, `<` dropped, `>` new; `text` is the diff of the two patches.
    """

    before: int | None
    after: int | None
    relation: Relation
    subject: str
    text: str = ""

    @property
    def code_lines(self) -> tuple[str, ...]:
        """Lines that only one of the patches adds or removes, with both marks.

        Lines of the message are indented; context has one mark.
        """
        return tuple(
            line
            for line in self.text.split("\n")
            if line[:1] in ("+", "-") and line[1:2] in ("+", "-")
        )


#: Text below a pair is indented further, so a commit message cannot look like a pair.
_PAIR = re.compile(
    r"^ {0,3}(?P<before>\d+|-): +(?:[0-9a-f]{4,64}|-+) (?P<relation>[=!<>]) +"
    r"(?P<after>\d+|-): +(?:[0-9a-f]{4,64}|-+) (?P<subject>.*)$"
)
_RELATIONS: dict[str, Relation] = {"=": "=", "!": "!", "<": "<", ">": ">"}
_INDENT = "    "


def parse_range_diff(text: str) -> tuple[Pair, ...]:
    """Return the pairs, in the order of the output."""
    pairs: list[Pair] = []
    body: list[str] = []
    for line in text.split("\n"):
        match = _PAIR.match(line)
        if match is None:
            body.append(line.removeprefix(_INDENT))
            continue
        _close(pairs, body)
        before, after = (None if match[k] == "-" else int(match[k]) for k in ("before", "after"))
        pairs.append(Pair(before, after, _RELATIONS[match["relation"]], match["subject"]))
    _close(pairs, body)
    return tuple(pairs)


def _close(pairs: list[Pair], body: list[str]) -> None:
    if pairs and any(body):
        pairs[-1] = msgspec.structs.replace(pairs[-1], text="\n".join(body).rstrip("\n"))
    body.clear()
