# SPDX-License-Identifier: GPL-2.0-only
"""The cost of each prefix in order, beside the claim about it. Pure."""

from collections.abc import Iterator

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.ratios.ratios import Effect
from harness.judge.tabulate import CostUnit
from harness.workloads import proxies


class PrefixCost(msgspec.Struct, frozen=True):
    """One prefix: its cost relative to base, with the 95 % interval where there is one.

    `before` is the cost of the prefix measured before it: the patches in between make `change`,
    which is negative if they save time. `claimed` is the cost that a claim about it implies.
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
        """What the patches since the prefix before change, as a share of base's cost."""
        return self.share - self.before

    @property
    def unclear(self) -> bool:
        """Whether the interval includes the cost before; False without an interval."""
        return (
            self.low is not None and self.high is not None and self.low <= self.before <= self.high
        )


class CostSteps(msgspec.Struct, frozen=True):
    """The costs of all prefixes of one driver or page order; base's is 1."""

    kind: str
    cost_unit: CostUnit
    steps: tuple[PrefixCost, ...]


def cost_steps(conclusion: Conclusion) -> tuple[CostSteps, ...]:
    """Return the prefixes' costs of rebinds per kind and unit of cost, in the order of effects.

    Variants, the follow-up and base against itself are left out: they are not prefixes. Emulated
    times have no costs.
    """
    if conclusion.record.evidence == "boot-tcg":
        return ()
    others = {build.name for build in conclusion.record.builds if build.kind != "prefix"}
    rebinds = [e for e in conclusion.effects if e.op == "rebind" and e.build not in others]
    asked = dict.fromkeys((e.kind, e.cost_unit) for e in rebinds)
    found = []
    for kind, cost_unit in asked:
        ours = [e for e in rebinds if (e.kind, e.cost_unit) == (kind, cost_unit)]
        if steps := tuple(_steps(conclusion, ours)):
            found.append(CostSteps(kind, cost_unit, steps))
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
    """Return the cost relative to base that a claim implies; claims are about time only."""
    for verdict in conclusion.verdicts:
        kinds = (verdict.metric, proxies(conclusion.record).get(verdict.metric))
        ours = verdict.build == effect.build and effect.kind in kinds and effect.cost_unit == "ns"
        if ours and verdict.shown_percent is not None:
            return 1 - verdict.shown_percent / 100
    return None
