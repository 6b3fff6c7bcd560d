# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel log states of a workload, and in which steps of the guest's agent. Pure values."""

from collections.abc import Sequence

import msgspec

from harness.record.record import Check


class Figure(msgspec.Struct, frozen=True):
    """The figure in a line of the kernel log: a time, and for how many struct pages (0: for none).

    Without `metric` it is the figure of the step in which the line is printed. With one, the line
    may be anywhere. `step_ns` is one unit of its last digit; 0 for a time in jiffies.
    """

    ns: int
    nr_pages: int = 0
    metric: str = ""
    step_ns: int = 0


class Cut(msgspec.Struct, frozen=True):
    """An incomplete line."""


class Step(msgspec.Struct, frozen=True):
    """One figure of a metric: index 0 is the first of this boot. `line` counts from 1."""

    metric: str
    index: int
    nr_pages: int
    ns: int
    line: int
    step_ns: int = 0


class LogProblem(msgspec.Struct, frozen=True):
    """A problem of a log; `metric` is empty and `index` -1 if it belongs to no step."""

    kind: str
    metric: str
    index: int
    line: int


class Steps(msgspec.Struct, frozen=True):
    """The steps and problems of a log.

    `early` are the figures without a metric that were printed before the agent started.
    """

    found: Sequence[Step]
    problems: tuple[LogProblem, ...] = ()
    early: tuple[Figure, ...] = ()

    def of(self, metric: str) -> list[Step]:
        """Return the steps of a metric, in order."""
        return [step for step in self.found if step.metric == metric]

    def count(self, metric: str, expected: int, noun: str) -> Check:
        """Return a check that a metric has as many steps as expected, and no problem."""
        found = len(self.of(metric))
        wrong = [problem for problem in self.problems if problem.metric == metric]
        detail = f"{found} of {expected}"
        if wrong:
            detail += f"; {noun} {wrong[0].index}: {wrong[0].kind} (line {wrong[0].line})"
        return Check(f"{metric} {noun}s", ok=found == expected and not wrong, detail=detail)
