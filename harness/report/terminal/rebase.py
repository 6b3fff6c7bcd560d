# SPDX-License-Identifier: GPL-2.0-only
"""Rebases for a terminal: a row a tree, then what each took, and the range-diff."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from harness.git.range_diff import Pair
from harness.series.rebase.outcome import LEFT_OUT, Conflict, Rebased


def table(found: Sequence[Rebased]) -> Table:
    """Return the table: which tree, what came of it, what it took."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("onto", "release", "result", "patches"):
        grid.add_column(name, no_wrap=name != "patches")
    for one in found:
        words = (one.onto, one.release, result(one), _took(one))
        grid.add_row(*(escape(word) for word in words))
    return grid


def result(one: Rebased) -> str:
    """Say in a few words what came of one tree."""
    if one.failure:
        return "not tried"
    if one.conflict is not None:
        return f"conflict in patch {one.conflict.number}/{one.conflict.total}"
    if all(step.how in LEFT_OUT for step in one.steps):
        return "all upstream"
    code = sum(bool(pair.code_lines) for pair in one.pairs)
    left = sum(step.how in LEFT_OUT for step in one.steps)
    other = sum(pair.relation == "!" for pair in one.pairs) - code
    words = [f"{code} changed"] if code else []
    words += [f"other context around {other}"] if other else []
    words += [f"{left} left out"] if left else []
    return "applies, " + (", ".join(words) or "unchanged")


def lines(one: Rebased) -> Iterator[str]:
    """Yield everything beyond the table; what it says of patches is theirs and not ours."""
    if one.failure:
        yield f"{one.onto}: {one.failure}"
        return
    yield f"{one.source} onto {one.onto} ({one.release}, {one.base[:12]}), {one.origin}"
    yield from (f"  {note}" for note in one.notes)
    for step in one.fallbacks:
        yield f"  patch {step.number} ({step.subject}): {step.how}: {step.detail}"
    if one.conflict is not None:
        yield from _conflict(one, one.conflict)
    for pair in one.pairs:
        yield from _pair(pair)
    if one.mbox:
        argv = ["harness", "replay", one.slug, "--tree", one.onto, "--mbox", one.mbox]
        yield f"  replay it: {shlex.join(argv)}"
    if one.exported:
        yield f"  exported to {one.exported}"


def _took(one: Rebased) -> str:
    counts = Counter(step.how for step in one.steps)
    return ", ".join(f"{count} {how}" for how, count in counts.items())


def _conflict(one: Rebased, conflict: Conflict) -> Iterator[str]:
    yield f"  patch {conflict.number}/{conflict.total} ({conflict.subject}) does not go on"
    yield f"  {conflict.note}"
    for place in conflict.places:
        span = f":{place.first}-{place.last}" if place.first else ""
        yield f"  {place.file}{span}  {place.hunk}"
        yield from (f"    {line}" for line in place.text.split("\n") if place.text)
        yield from (f"    changed by {commit}" for commit in place.touched_by)
        if place.unknown:
            yield f"    {place.unknown}"
    yield f"  resolve it in {conflict.worktree}"
    yield f"  then: harness rebase {one.slug} --onto {one.onto} --continue (or --skip, --abort)"


def _pair(pair: Pair) -> Iterator[str]:
    before, after = (str(n) if n is not None else "-" for n in (pair.before, pair.after))
    yield f"  {before:>3} {pair.relation} {after:>3}  {pair.subject}"
    yield from (f"          {line}" for line in pair.text.split("\n") if pair.text)
