# SPDX-License-Identifier: GPL-2.0-only
"""What a replay's passes cost, per slice and round. Pure: passes in, numbers out.

Times are CPU time. The fastest pass of a slice counts: what disturbs a pass can only add to it. A
process costs the median of its slices, and its ratio is the median of their ratios to base's slices
beside them. On a machine where six compilers ran, base against itself then varied by 4 % from round
to round, and by 6 % if medians, quartiles or fastest passes of whole processes were compared.
"""

import math
import statistics
from collections.abc import Mapping, Sequence

from harness.judge.stats.ratio import CONFIDENCE, Ratio, ratio
from harness.record.record import Pass, ReplayRun

#: Costs of one build and kind in ns of CPU time, by round and by slice within it.
Slices = Mapping[int, Mapping[int, int]]


def compared(passes: Sequence[Pass]) -> Sequence[Pass]:
    """Return the passes that ran in slices; all of them in a record without slices."""
    return [p for p in passes if p.slice is not None] or passes


def counting(passes: Sequence[Pass]) -> list[Pass]:
    """Return the compared passes but those that settle and a process's first."""
    return [p for p in compared(passes) if p.index > 0 and not p.settles]


def by_slice(passes: Sequence[Pass]) -> Slices:
    """Return the cost of a pass of one build and kind in each slice of each round."""
    found: dict[int, dict[int, int]] = {}
    for p in counting(passes):
        slices = found.setdefault(p.round, {})
        number = p.slice or 0
        slices[number] = min(p.cpu_ns, slices.get(number, p.cpu_ns))
    return found


def by_round(slices: Slices) -> dict[int, float]:
    """Return the cost of a pass in each round: the median of its slices."""
    return {number: statistics.median(costs.values()) for number, costs in slices.items()}


def firsts(passes: Sequence[Pass]) -> dict[int, int]:
    """Return the ns of CPU time of each process's first pass, which faults the memory in."""
    return {p.process: p.cpu_ns for p in compared(passes) if p.index == 0}


def of_namespace(record: ReplayRun, p: Pass) -> float:
    """Return how many times the pages of a pass the whole namespace has."""
    return record.setup.nr_pages.get(p.kind, p.nr_pages) / p.nr_pages


def paired(base: Slices, build: Slices, confidence: float = CONFIDENCE) -> Ratio:
    """Return the ratio over the rounds that both have. Raises ValueError if they share none."""
    found: list[tuple[float, float]] = []
    for number in sorted(base.keys() & build.keys()):
        ours, theirs = build[number], base[number]
        shared = sorted(ours.keys() & theirs.keys())
        if len(shared) == 1:
            found.append((theirs[shared[0]], ours[shared[0]]))
        elif shared:
            logs = [math.log(ours[at] / theirs[at]) for at in shared]
            found.append((1.0, math.exp(statistics.median(logs))))
    return ratio([one for one, _ in found], [other for _, other in found], confidence)
