# SPDX-License-Identifier: GPL-2.0-only
"""What a series promises. The judging wing alone reads this."""

import msgspec


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One side of a posted measurement: the first binding and the mean of the rebinds after it."""

    mean_ms: float
    first_ms: float | None = None


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A posted figure for one driver.

    `after_patch` None means the whole series; `reduction_percent` is what the author states, None
    where only the means are given. `guest` names the guest file that matches the author's set-up.
    """

    version: int
    driver: str
    guest: str
    rebinds: int
    base: Figures | None = None
    tip: Figures | None = None
    after_patch: int | None = None
    reduction_percent: float | None = None
