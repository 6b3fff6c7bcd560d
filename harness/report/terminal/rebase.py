# SPDX-License-Identifier: GPL-2.0-only
"""The results of a rebase for a terminal; pure."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from harness.report.terminal.versions import pair_lines
from harness.series.rebase.outcome import LEFT_OUT, Conflict, Rebased


def table(found: Sequence[Rebased]) -> Table:
    """Return a table of the trees, with the result of each."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("onto", "release", "result", "patches"):
        grid.add_column(name, no_wrap=name != "patches")
    for one in found:
        words = (one.onto, one.release, result(one), _how(one))
        grid.add_row(*(escape(word) for word in words))
    return grid


def result(one: Rebased) -> str:
    """Return the result of one tree in a few words."""
    if one.failure:
        return "not attempted"
    if one.conflict is not None:
        return f"conflict in patch {one.conflict.number}/{one.conflict.total}"
    if all(step.how in LEFT_OUT for step in one.steps):
        return "all upstream"
    code = sum(bool(pair.code_lines) for pair in one.pairs)
    left = sum(step.how in LEFT_OUT for step in one.steps)
    other = sum(pair.relation == "!" for pair in one.pairs) - code
    words = [f"{code} changed"] if code else []
    words += [f"{other} with changed context"] if other else []
    words += [f"{left} left out"] if left else []
    return "applies, " + (", ".join(words) or "unchanged")


def lines(one: Rebased) -> Iterator[str]:
    """Yield the details of one tree; text of patches is not escaped."""
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
        yield from pair_lines(pair)
    if one.mbox:
        argv = ["harness", "replay", one.slug, "--tree", one.onto, "--mbox", one.mbox]
        yield f"  to replay: {shlex.join(argv)}"
    if one.exported:
        yield f"  exported to {one.exported}"


def _how(one: Rebased) -> str:
    counts = Counter(step.how for step in one.steps)
    return ", ".join(f"{count} {how}" for how, count in counts.items())


def _conflict(one: Rebased, conflict: Conflict) -> Iterator[str]:
    yield f"  patch {conflict.number}/{conflict.total} ({conflict.subject}) does not apply"
    yield f"  {conflict.note}"
    for place in conflict.places:
        span = f":{place.first}-{place.last}" if place.first else ""
        yield f"  {place.file}{span}  {place.hunk}"
        yield from (f"    {line}" for line in place.text.split("\n") if place.text)
        yield from (f"    changed by {commit}" for commit in place.touched_by)
        if place.unknown:
            yield f"    {place.unknown}"
    yield f"  resolve the conflict in {conflict.worktree}"
    yield f"  then: harness rebase {one.slug} --onto {one.onto} --continue (or --skip, --abort)"
