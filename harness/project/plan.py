# SPDX-License-Identifier: GPL-2.0-only
"""A plan: which kernel configuration is measured, on which guest, and how often."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType


class Boots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Boots a build, by accelerator. Emulated boots decide no claim, so one will do."""

    kvm: int = 5
    tcg: int = 1

    def __post_init__(self) -> None:
        for name, boots in (("kvm", self.kvm), ("tcg", self.tcg)):
            if boots < 1:
                raise ValueError(f"{name}: {boots}; expected 1 or more")


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan file. `name` is the file's name without `.yaml`; `boot_s` is one boot's deadline.

    `clock` is what the guest's time is: the host's, or the instructions it executed (`icount`), one
    a nanosecond, which is the same on every boot and knows nothing of caches.
    `kernel_options` are added to the kernel's command line; with `page_ref` all is done while the
    tracepoint page_ref_set is on, and its events are counted. What is not given leaves no trace in
    a plan's digest.
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

    def __post_init__(self) -> None:
        if not 1 <= self.rebinds <= 1000:
            raise ValueError(f"rebinds: {self.rebinds}; expected 1 to 1000")
        if self.boot_s < 1:
            raise ValueError(f"boot_s: {self.boot_s}; expected a deadline of 1 second or more")
