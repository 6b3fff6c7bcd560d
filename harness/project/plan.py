# SPDX-License-Identifier: GPL-2.0-only
"""A plan: which kernel configuration to measure, on which guest, and how often."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType


class Boots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Boots per build, by accelerator. Emulated boots decide no claim, so one is enough."""

    kvm: int = 5
    tcg: int = 1

    def __post_init__(self) -> None:
        for name, boots in (("kvm", self.kvm), ("tcg", self.tcg)):
            if boots < 1:
                raise ValueError(f"{name}: {boots}; expected 1 or more")


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan file; docs/series.md describes its keys. `name` is the file's, without `.yaml`.

    With clock `icount` guest time counts executed instructions, one per nanosecond: the same on
    every boot, and blind to caches. `cpu_model` is the only one to boot with, in place of the
    guest's, for which KVM may take another. `replay_rounds` are those of the replay before the
    boots. UNSET keys are not part of the plan's digest.
    """

    description: str
    guest: str
    rebinds: int
    kconfig: tuple[str, ...]
    boots: Boots = Boots()
    clock: Literal["host", "icount"] = "host"
    boot_s: int = 900
    name: str = ""
    kernel_options: tuple[str, ...] | UnsetType = UNSET
    page_ref: bool | UnsetType = UNSET
    cpu_model: str | UnsetType = UNSET
    replay_rounds: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not 1 <= self.rebinds <= 1000:
            raise ValueError(f"rebinds: {self.rebinds}; expected 1 to 1000")
        if self.replay_rounds is not UNSET and not 3 <= self.replay_rounds <= 1000:
            raise ValueError(f"replay_rounds: {self.replay_rounds}; expected 3 to 1000")
        if self.boot_s < 1:
            raise ValueError(f"boot_s: {self.boot_s}; expected a deadline of 1 second or more")
