# SPDX-License-Identifier: GPL-2.0-only
"""What each side costs of what base does: one ratio with its interval a driver, or a replay's kind.

The unit of repetition is the boot or the replay's process; the first binding is always apart.
"""

from typing import Literal

import msgspec

Op = Literal["first", "rebind"]
Metric = Literal["ns", "instructions"]


class Effect(msgspec.Struct, frozen=True):
    """One side's cost beside base's.

    `kind` is a driver (nd_pmem, dax_pmem) of a boot or a kind of pass (order0, order9) of a replay,
    whose passes after the first stand for rebinds. Costs are medians over the units, in the
    metric's own unit: ns a binding, or instructions a struct page. `low` and `high` bound the ratio
    with 95 % confidence, None where there are too few units to tell; `p_value` is None where no
    rank test could reach the threshold. `method` and `rank` say how each came about, or why not.
    """

    kind: str
    op: Op
    side: str
    prefix: int
    metric: Metric
    unit: Literal["boot", "process"]
    n_base: int
    n_side: int
    base_cost: float
    side_cost: float
    ratio: float
    low: float | None
    high: float | None
    p_value: float | None
    method: str
    rank: str

    @property
    def reduction_percent(self) -> float:
        """What the side saves of base's cost, in percent."""
        return (1 - self.ratio) * 100

    @property
    def differs(self) -> bool:
        """Whether the interval leaves 1 out; without an interval nothing differs."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high
