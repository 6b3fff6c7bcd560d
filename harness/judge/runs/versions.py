# SPDX-License-Identifier: GPL-2.0-only
"""Compares two versions of a series: patches, names, trailers and claimed figures. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from harness.git.range_diff import Pair
from harness.project.claim import Claim, Setup
from harness.series.mails.trailers import Trailer

Change = Literal["same", "message", "context", "spacing", "renamed", "changed", "dropped", "new"]
#: Changes that leave a patch's code the same, so that its trailers still count.
KEEPS = ("same", "message", "context", "spacing", "renamed")

_WORD = re.compile(r"[A-Za-z_]\w*")
_SECTION = re.compile(r"^(?:@@|[ +-]{1,2}##) (.*?)(?: ##)?$")
_MESSAGE = ("Commit message", "Metadata")


class Rename(msgspec.Struct, frozen=True):
    """A name of the old version that the new one replaced by another.

    `lines` counts the lines that differ in nothing else.
    """

    old: str
    new: str
    lines: int


class Became(msgspec.Struct, frozen=True):
    """How one patch changed, in a word and a sentence."""

    pair: Pair
    change: Change
    reason: str


class Vouched(msgspec.Struct, frozen=True):
    """A trailer of the old version: whether it still counts, and whether the new version has it."""

    trailer: Trailer
    counts: bool
    reason: str
    is_given: bool

    @property
    def advice(self) -> str:
        """What the author should do about it."""
        if self.counts:
            return "keep" if self.is_given else "may be added"
        return "to be dropped" if self.is_given else "gone"


class Moved(msgspec.Struct, frozen=True):
    """A claimed figure in both versions, in ms or percent; None for a version without it."""

    metric: str
    what: str
    old: float | None
    new: float | None

    @property
    def by(self) -> float | None:
        """New less old."""
        return None if self.old is None or self.new is None else self.new - self.old


def renames(
    pairs: Sequence[Pair], old_words: frozenset[str], new_words: frozenset[str]
) -> tuple[Rename, ...]:
    """Return the names that changed, sorted by the number of lines that show it, most first.

    `old_words` and `new_words` are all identifiers that a version's patches add. A name that both
    versions have was not renamed.
    """
    votes: Counter[tuple[str, str]] = Counter()
    for pair in pairs:
        old, new = _builds(pair)
        for before, after in _counterparts(old, new):
            votes.update(_differing(before, after, old_words, new_words))
    found: list[Rename] = []
    for (before, after), lines in votes.most_common():
        if all(before != r.old and after != r.new for r in found):
            found.append(Rename(before, after, lines))
    return tuple(found)


def words(lines: Iterable[str]) -> frozenset[str]:
    """Return all identifiers in some lines of code."""
    return frozenset(word for line in lines for word in _WORD.findall(line))


def became(pairs: Sequence[Pair], renamed: Sequence[Rename]) -> tuple[Became, ...]:
    """Return how the patch changed, for each pair of a range-diff."""
    return tuple(_became(pair, {r.old: r.new for r in renamed}) for pair in pairs)


def vouched(
    found: Sequence[Became], old: Sequence[Trailer], new: Sequence[Trailer]
) -> tuple[Vouched, ...]:
    """Return for each of the old version's trailers whether it still counts.

    One for the whole series counts only if no patch changed its code.
    """
    by_number = {one.pair.before: one for one in found if one.pair.before is not None}
    given = {(t.kind, t.who, t.patch) for t in new}
    result = []
    for trailer in old:
        if trailer.patch == 0:
            counts, reason = _whole(found)
            after: int | None = 0
        else:
            one = by_number.get(trailer.patch)
            counts = one is not None and one.change in KEEPS
            reason = "the new version does not have the patch" if one is None else one.reason
            after = None if one is None else one.pair.after
        is_given = (trailer.kind, trailer.who, after) in given
        result.append(Vouched(trailer, counts, reason, is_given))
    return tuple(result)


def moved(old: Sequence[Claim], new: Sequence[Claim], found: Sequence[Became]) -> tuple[Moved, ...]:
    """Return how the claimed figures differ; a patch's own figures follow it to its new number."""
    numbers = {one.pair.before: one.pair.after for one in found if one.pair.before is not None}
    before = {_key(claim, numbers): claim for claim in old}
    after = {(claim.metric, claim.after_patch, claim.setup): claim for claim in new}
    rows = []
    for key in dict.fromkeys((*before, *after)):
        metric, patch, setup = key
        where = "" if patch is None else f" after patch {patch}"
        where += f" ({setup})" if setup else ""
        ours, theirs = (_figures(build.get(key)) for build in (before, after))
        rows += [
            Moved(metric, f"{what}{where}", ours.get(what), theirs.get(what))
            for what in dict.fromkeys((*ours, *theirs))
        ]
    return tuple(rows)


def _key(claim: Claim, numbers: Mapping[int, int | None]) -> tuple[str, int | None, Setup | None]:
    """Return the key of a claim in the new version."""
    after = claim.after_patch
    return claim.metric, after if after is None else numbers.get(after), claim.setup


def _figures(claim: Claim | None) -> dict[str, float]:
    if claim is None:
        return {}
    found: dict[str, float] = {}
    for name, build in (("base", claim.base), ("series", claim.tip)):
        if build is not None:
            found[f"{name} mean ({claim.unit})"] = build.number
            if build.first_ms is not None:
                found[f"{name} first (ms)"] = build.first_ms
    percent = claim.claimed_percent
    return found | ({} if percent is None else {"reduction (%)": percent})


def _became(pair: Pair, renamed: Mapping[str, str]) -> Became:
    if pair.relation == "=":
        return Became(pair, "same", "unchanged")
    if pair.relation == "<":
        return Became(pair, "dropped", "the patch was dropped")
    if pair.relation == ">":
        return Became(pair, "new", "the patch is new")
    code = len(pair.code_lines)
    if code == 0:
        if _only_message(pair):
            return Became(pair, "message", "only its message changed")
        return Became(pair, "context", "its own lines are the same, those around them changed")
    old, new = _builds(pair)
    if _plain(old, {}) == _plain(new, {}):
        return Became(pair, "spacing", "only white space changed")
    if _plain(old, renamed) == _plain(new, {}):
        names = ", ".join(f"{a} is now {b}" for a, b in renamed.items() if a in words(old))
        return Became(pair, "renamed", f"only names changed: {names}")
    return Became(pair, "changed", f"its code changed: {code} lines differ")


def _only_message(pair: Pair) -> bool:
    """Whether no line outside of message and author differs."""
    section = ""
    for line in pair.text.split("\n"):
        match = _SECTION.match(line)
        if match is not None:
            section = match[1]
        elif line[:1] in ("+", "-") and not section.startswith(_MESSAGE):
            return False
    return True


def _builds(pair: Pair) -> tuple[list[str], list[str]]:
    """Return the lines that only the old and only the new patch has, with the patch's mark."""
    lines = pair.code_lines
    return [t[1:] for t in lines if t[0] == "-"], [t[1:] for t in lines if t[0] == "+"]


def _counterparts(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of lines, in order, that differ in identifiers alone."""
    shapes: dict[str, list[str]] = {}
    for line in new:
        shapes.setdefault(_shape(line), []).append(line)
    for line in old:
        alike = shapes.get(_shape(line))
        if alike:
            yield line, alike.pop(0)


def _shape(line: str) -> str:
    return "".join(_WORD.sub("w", line).split())


def _differing(
    before: str, after: str, old_words: frozenset[str], new_words: frozenset[str]
) -> set[tuple[str, str]]:
    """Return the names in which two lines of one shape differ, if all of them changed."""
    pairs = zip(_WORD.findall(before), _WORD.findall(after), strict=True)
    found = {(a, b) for a, b in pairs if a != b}
    ours, theirs = old_words - new_words, new_words - old_words
    return found if all(a in ours and b in theirs for a, b in found) else set()


def _plain(lines: Sequence[str], renamed: Mapping[str, str]) -> tuple[str, ...]:
    """Return added and removed lines without white space, with the new version's names."""
    said = {mark: "".join(t[1:] for t in lines if t[0] == mark) for mark in "+-"}
    return tuple(
        "".join(_WORD.sub(lambda m: renamed.get(m[0], m[0]), text).split())
        for text in said.values()
    )


def _whole(found: Sequence[Became]) -> tuple[bool, str]:
    for one in found:
        if one.change not in KEEPS:
            number = one.pair.before if one.pair.before is not None else one.pair.after
            return False, f"patch {number}: {one.reason}"
    return True, "no patch changed its code"
