# SPDX-License-Identifier: GPL-2.0-only
"""How long a boot may take until the kernel's first line, user space and the end. Pure."""

from typing import Literal

import msgspec

#: Deadlines on an idle server from QEMU's start to the kernel's first line, and from there to the
#: first line of user space. An emulated KMSAN kernel takes 85 s to user space.
KERNEL_S = {"kvm": 15.0, "tcg": 60.0}
USER_S = {"kvm": 60.0, "tcg": 240.0}
#: A boot that takes this many times longer than the proof of KVM hangs.
_OF_PROOF = 10.0
OPTION = "--patience"


class BootTimes(msgspec.Struct, frozen=True):
    """When a boot printed the kernel's first line, and user space's after that, in seconds."""

    kernel_s: float | None = None
    user_s: float | None = None


class Waits(msgspec.Struct, frozen=True):
    """Deadlines of a boot: a common server's, times `factor` for this machine and `patience`.

    `shown` is what the proof of KVM took here: deadlines are at least several times that.
    """

    factor: float = 1.0
    patience: float = 1.0
    shown: BootTimes = BootTimes()

    def kernel_s(self, accelerator: Literal["kvm", "tcg"]) -> float:
        """Return the deadline of the kernel's first line."""
        return self._at_least(KERNEL_S[accelerator], self.shown.kernel_s)

    def user_s(self, accelerator: Literal["kvm", "tcg"]) -> float:
        """Return the deadline of user space's first line, from the kernel's."""
        return self._at_least(USER_S[accelerator], self.shown.user_s)

    def whole_s(self, seconds: float) -> float:
        """Return the deadline of the whole boot, where a plan gives `seconds`."""
        return seconds * self.factor * self.patience

    def explained(self, what: str, seconds: float) -> str:
        """Return a message for a boot that was ended after `seconds`."""
        more = f"{OPTION} {self.patience * 2:g} waits twice as long"
        slow = f"; the machine is slow: {self.factor:.1f} times" if self.factor >= 1.5 else ""
        return f"{what} within {seconds:.0f} s ({more}{slow})"

    def _at_least(self, common: float, shown: float | None) -> float:
        return max(common * self.factor, _OF_PROOF * (shown or 0.0)) * self.patience
