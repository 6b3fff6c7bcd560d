# SPDX-License-Identifier: GPL-2.0-only
"""What `git range-diff` prints, to pairs of patches and what became of each."""

import re

import msgspec

from harness.series.rebase.outcome import Pair, Relation

#: What it prints of a pair stands further in, so that no commit message can pass for a pair.
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
