# SPDX-License-Identifier: GPL-2.0-only
"""The figures of one mail, put together by what they promise: driver, and after which patch."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from harness.claims.figures import Stated, read_figures
from harness.claims.message import Message, UnreadLine
from harness.claims.vocabulary import drivers
from harness.series.messages import Mail


class Promise(msgspec.Struct):
    """What is said of a driver after a patch (None: after the whole series), by kind of figure.

    `quotes` are the lines that say it, by their number.
    """

    driver: str
    after_patch: int | None
    base: dict[str, Stated] = {}
    tip: dict[str, Stated] = {}
    quotes: dict[int, str] = {}


def read_promises(
    letter: Mail, message: Message, patch: int | None
) -> tuple[list[Promise], list[UnreadLine]]:
    """Return what a letter promises; `patch` is its number where it has no [PATCH k/n] itself.

    Figures of base belong to every promise of the same letter and driver.
    """
    found, problems = read_figures(message.passages)
    stated = list(_with_drivers(found, letter, problems))
    numbers = {n for one in stated for n in one.lines}
    text = {n: line.strip() for p in message.passages for n, line in p.lines() if n in numbers}
    promises: dict[tuple[str, int | None], Promise] = {}
    place = _Place(letter, patch)
    for one in stated:
        if one.build == "tip":
            after = place.after(one, stated)
            if isinstance(after, UnreadLine):
                return [], [*problems, after]
            key = (one.driver or "", after)
            promise = promises.setdefault(key, Promise(*key))
            put(promise.tip, one, problems)
            promise.quotes |= {n: text[n] for n in one.lines}
    for one in stated:
        if one.build == "base":
            own = [promise for promise in promises.values() if promise.driver == one.driver]
            for promise in own:
                put(promise.base, one, problems)
                promise.quotes |= {n: text[n] for n in one.lines}
            if not own:
                what = f"{one.value} ms of {one.driver} is of base alone, and promises nothing"
                problems.append(UnreadLine(one.at, what))
    return list(promises.values()), problems


def join(into: Promise, other: Promise, problems: list[UnreadLine]) -> None:
    """Add what another mail says of the same."""
    for own, new in ((into.base, other.base), (into.tip, other.tip)):
        for one in new.values():
            put(own, one, problems)
    into.quotes |= other.quotes


def put(known: dict[str, Stated], one: Stated, problems: list[UnreadLine]) -> None:
    """Add a figure; of one that is rounded from the other the finer stays, others contradict."""
    there = known.setdefault(one.kind, one)
    finer, coarser = sorted((there, one), key=lambda stated: -stated.decimals)
    if abs(finer.value - coarser.value) * 2 > Decimal(1).scaleb(-coarser.decimals):
        unit = "%" if one.kind == "percent" else "ms"
        problems.append(
            UnreadLine(
                one.at,
                f"says {one.value} {unit} of {one.driver} where line {there.at} says "
                f"{there.value} {unit}: two {_KINDS[one.kind]} of one build",
                fatal=True,
            )
        )
    known[one.kind] = finer


_KINDS = {"first": "first bindings", "mean": "averages", "percent": "percentages"}


class _Place:
    """Where a letter stands in its series, as far as that is known."""

    def __init__(self, letter: Mail, patch: int | None) -> None:
        self._number = letter.tag.number if letter.tag else patch
        self._total = letter.tag.total if letter.tag else None

    def after(self, one: Stated, stated: Sequence[Stated]) -> int | UnreadLine | None:
        """Return after which patch a tip's figure was measured, None for the whole series."""
        scope = one.scope
        if scope is None:
            named = {s.scope for s in stated if s.driver == one.driver and s.build == "tip"} - {
                None
            }
            scope = named.pop() if len(named) == 1 else "this"
        if scope == "series":
            return None
        number = self._number if scope == "this" else scope
        if number is None:
            what = "leaves open after which patch; give --patch K (0: after the whole series)"
            return UnreadLine(one.at, what, fatal=True)
        return None if number in (0, self._total) else number


def _with_drivers(
    stated: Sequence[Stated], letter: Mail, problems: list[UnreadLine]
) -> Iterable[Stated]:
    """A figure without a driver is of the only one that the whole mail names.

    A percentage is of the only one that has figures; the audit would show if it were not.
    """
    named = {found.value for found in drivers(letter.text)}
    measured = {one.driver for one in stated if one.driver}
    for one in stated:
        possible = measured or named if one.kind == "percent" else named
        if one.driver is not None:
            yield one
        elif len(possible) == 1:
            yield msgspec.structs.replace(one, driver=next(iter(possible)))
        else:
            unit = "%" if one.kind == "percent" else "ms"
            what = f"{one.value} {unit} leaves open which driver it is of"
            problems.append(UnreadLine(one.at, what))
