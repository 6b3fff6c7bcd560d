# SPDX-License-Identifier: GPL-2.0-only
"""Which label of a sentence belongs to which figure in it, where only one way makes sense."""

import itertools
from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Placed(msgspec.Struct, Generic[T], frozen=True):
    """A label, and where it begins."""

    at: int
    value: T


def paired(
    labels: Sequence[Placed[T]], items: Sequence[int], *, in_turn: bool = False
) -> list[T] | None:
    """Return a label for each item, given where each begins; None where that is left open.

    One label is for all items. Several either each stand before their items, or each behind them;
    `in_turn` (the text says "respectively") also takes all labels, then all items, or the reverse.
    """
    if len({label.value for label in labels}) == 1:
        return [labels[0].value] * len(items)
    runs = _runs(labels, items)
    if in_turn and len(runs) == 2:
        named = [label.value for label in labels]
        return named if len(named) == len(items) else None
    if len(runs) % 2 or any(len(set(run)) > 1 for run in runs if run[0] is not None):
        return None
    # Labels and items take turns: whichever comes first tells which belong together.
    first, second = runs[::2], runs[1::2]
    names, counted = (first, second) if first[:1] and first[0][0] is not None else (second, first)
    return [
        name[0]
        for name, run in zip(names, counted, strict=True)
        for _ in run
        if name[0] is not None
    ]


def _runs(labels: Sequence[Placed[T]], items: Sequence[int]) -> list[list[T | None]]:
    """Labels and items in their order, neighbours of a kind together; None stands for an item."""
    placed = [(label.at, label.value) for label in labels] + [(at, None) for at in items]
    placed.sort(key=lambda pair: pair[0])
    grouped = itertools.groupby(placed, key=lambda pair: pair[1] is None)
    return [[value for _, value in group] for _, group in grouped]
