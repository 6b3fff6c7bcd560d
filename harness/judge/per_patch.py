# SPDX-License-Identifier: GPL-2.0-only
"""What each patch adds: the costs of a run's prefixes in order, beside what patches claim."""

from collections.abc import Iterator

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.ratios import Effect
from harness.judge.tabulate import Metric
from harness.record.record import PROXY_KIND


class PrefixCost(msgspec.Struct, frozen=True):
    """One prefix: its cost as a share of base's, with the interval of 95 % where there is one.

    `before` is the share of the prefix measured before it, so the patches since then make
    `change`, negative where they save. `claimed` is the share that somebody claims for this prefix.
    """

    build: str
    prefix: int
    share: float
    low: float | None
    high: float | None
    before: float
    claimed: float | None

    @property
    def change(self) -> float:
        """What the patches since the last step change, as a share of base's cost."""
        return self.share - self.before

    @property
    def unclear(self) -> bool:
        """Whether the interval holds the cost before; without an interval it is not known to."""
        return (
            self.low is not None and self.high is not None and self.low <= self.before <= self.high
        )


class Ladder(msgspec.Struct, frozen=True):
    """All prefixes of one driver or kind of pass, without base, which is 1."""

    kind: str
    metric: Metric
    steps: tuple[PrefixCost, ...]


def ladders(conclusion: Conclusion) -> tuple[Ladder, ...]:
    """Return a ladder for each kind and metric of the rebinds, in the order of the effects.

    Builds that are no further prefix, like another way to store or base once more, are left out.
    """
    rebinds = [e for e in conclusion.effects if e.op == "rebind"]
    asked = dict.fromkeys((e.kind, e.metric) for e in rebinds)
    found = []
    for kind, metric in asked:
        ours = [e for e in rebinds if (e.kind, e.metric) == (kind, metric)]
        if steps := tuple(_steps(conclusion, ours)):
            found.append(Ladder(kind, metric, steps))
    return tuple(found)


def _steps(conclusion: Conclusion, effects: list[Effect]) -> Iterator[PrefixCost]:
    before, prefix = 1.0, 0
    for effect in sorted(effects, key=lambda effect: effect.prefix):
        if effect.prefix <= prefix:
            continue
        prefix = effect.prefix
        yield PrefixCost(
            effect.build,
            prefix,
            effect.ratio,
            effect.low,
            effect.high,
            before,
            _claimed(conclusion, effect),
        )
        before = effect.ratio


def _claimed(conclusion: Conclusion, effect: Effect) -> float | None:
    """The share that a verdict's claim leaves of base's cost; claims are about time alone."""
    for verdict in conclusion.verdicts:
        kinds = (verdict.driver, PROXY_KIND.get(verdict.driver))
        ours = verdict.build == effect.build and effect.kind in kinds and effect.metric == "ns"
        if ours and verdict.claimed_percent is not None:
            return 1 - verdict.claimed_percent / 100
    return None
