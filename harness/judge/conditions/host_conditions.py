# SPDX-License-Identifier: GPL-2.0-only
"""What of the host's settings, and of where guests ran, may have changed times. Pure.

Times of emulated guests mean nothing, so their hosts are not looked at.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from harness.host import units
from harness.judge.conditions.fit import nested
from harness.judge.tabulate import BootTable
from harness.record.record import Backing, Boot, HostSettings, Placement

ConditionKind = Literal[
    "guest-cpu",
    "nested",
    "frequency",
    "idle",
    "sibling",
    "swap",
    "other-guests",
    "small-pages",
    "numa",
    "unequal-host",
]
#: What to do about each.
REMEDY: Mapping[str, str] = {
    "guest-cpu": "measure on a machine that has all features of the guest file's cpu_model",
    "nested": "measure on bare metal",
    "frequency": "set the governor performance and switch turbo off: docs/measuring.md",
    "idle": "keep CPUs out of deep idle states: docs/measuring.md",
    "sibling": "leave the sibling hyper-thread idle, or switch SMT off: docs/measuring.md",
    "swap": "free some memory, or switch swap off, and repeat",
    "other-guests": "stop the other virtual machines, and repeat",
    "small-pages": "let the guest have huge pages: docs/measuring.md",
    "numa": "bind memory and vCPU to one node (--pin), and repeat",
    "unequal-host": "leave the host's settings alone during a run, and repeat",
}
#: Leaving an idle state that takes longer is seen in times of a millisecond.
DEEP_IDLE_US = 100
#: Largest share of a boot that a sibling hyper-thread may be busy, and of memory on another node.
SIBLING_SHARE, REMOTE_SHARE = 0.05, 0.01
#: Smallest share of memory on huge pages that counts as such.
HUGE_SHARE = 0.9
#: A CPU's features in one line; the record has all.
MOST_NAMED = 4


class Condition(NamedTuple):
    """A condition of the host; it `spoils` the run if builds had different ones."""

    kind: ConditionKind
    where: str
    text: str
    spoils: bool = False


def conditions(table: BootTable) -> Iterator[Condition]:
    """Yield the conditions of a run under KVM."""
    machine = table.record.machine
    if machine.accelerator != "kvm":
        return
    if machine.guest_cpu_lacks:
        lacks = units.listed(machine.guest_cpu_lacks, MOST_NAMED)
        text = f"lacks {lacks} of the guest file's CPU model"
        yield Condition("guest-cpu", machine.guest_cpu, text)
    if text := nested(machine):
        yield Condition("nested", "host", text)
    boots = [boot for found in table.counting.values() for boot in found]
    yield from of_settings([b.settings for b in boots if b.settings is not None])
    yield from _of_placements([b.placement for b in boots if b.placement is not None])
    yield from _unequal(boots)


def of_settings(found: Sequence[HostSettings]) -> Iterator[Condition]:
    """Yield the conditions in settings that were read before boots."""
    governors = sorted({name for one in found for name in one.governors})
    words = [f"governor {', '.join(governors)}"] if set(governors) - {"performance"} else []
    words += ["turbo on"] if any(one.turbo for one in found) else []
    if words:
        yield Condition("frequency", "host", f"{' and '.join(words)}: the frequency may change")
    idle_us = max((one.idle_us or 0 for one in found), default=0)
    if idle_us > DEEP_IDLE_US:
        yield Condition("idle", "host", f"the deepest idle state takes {idle_us} µs to leave")
    swapped = max((one.swap_bytes or 0 for one in found), default=0)
    if swapped:
        yield Condition(
            "swap", "host", f"{units.format_bytes(swapped)} were swapped out before a boot"
        )
    others = max((one.other_guests or 0 for one in found), default=0)
    if others:
        yield Condition("other-guests", "host", f"{others} other virtual machine(s) ran")


def _of_placements(found: Sequence[Placement]) -> Iterator[Condition]:
    busy = max((one.sibling_share or 0.0 for one in found), default=0.0)
    if busy > SIBLING_SHARE:
        text = f"the vCPU's sibling hyper-thread was busy for {busy:.0%} of a boot"
        yield Condition("sibling", "host", text)
    for where, backings in _by_part(found).items():
        if any(one.swap_bytes for one in backings):
            yield Condition("swap", where, "part of it was swapped out during a boot")
        if any(share_huge(one) < HUGE_SHARE for one in backings):
            least = min(share_huge(one) for one in backings)
            text = f"{least:.0%} of it on huge pages of the host, the rest on 4 KiB pages"
            yield Condition("small-pages", where, text)
        remote = max(_remote(p, _parts(p)[where]) for p in found if where in _parts(p))
        if remote > REMOTE_SHARE:
            text = f"{remote:.0%} of it on another NUMA node than the vCPU"
            yield Condition("numa", where, text)


def _parts(placement: Placement) -> dict[str, Backing]:
    parts = {"guest memory": placement.ram, "namespaces": placement.namespaces}
    return {name: one for name, one in parts.items() if one is not None}


def _by_part(found: Sequence[Placement]) -> dict[str, list[Backing]]:
    parts: dict[str, list[Backing]] = {}
    for placement in found:
        for name, backing in _parts(placement).items():
            parts.setdefault(name, []).append(backing)
    return parts


def share_huge(backing: Backing) -> float:
    """Return the share of the memory that is on huge pages; 1 if nothing was used."""
    whole = backing.small_bytes + backing.huge_bytes
    return backing.huge_bytes / whole if whole else 1.0


def _remote(placement: Placement, backing: Backing) -> float:
    whole = sum(backing.nodes.values())
    if placement.node is None or not whole:
        return 0.0
    return 1 - backing.nodes.get(str(placement.node), 0) / whole


_COMPARED: dict[str, Callable[[Boot], object]] = {
    "governor": lambda b: b.settings and b.settings.governors,
    "turbo": lambda b: b.settings and b.settings.turbo,
    "mitigations": lambda b: b.settings and b.settings.mitigations,
    "microcode": lambda b: b.settings and b.settings.microcode,
    "SMT": lambda b: b.settings and b.settings.smt,
    "pinned CPUs": lambda b: b.placement and b.placement.pinned,
    "huge pages of guest memory": lambda b: _is_huge(b, "guest memory"),
    "huge pages of namespaces": lambda b: _is_huge(b, "namespaces"),
}


def _is_huge(boot: Boot, part: str) -> bool | None:
    backing = _parts(boot.placement).get(part) if boot.placement else None
    return None if backing is None else share_huge(backing) >= HUGE_SHARE


def _unequal(boots: Sequence[Boot]) -> Iterator[Condition]:
    """Yield what was not the same in all boots: a ratio would compare two machines."""
    for name, value in _COMPARED.items():
        known = {found for boot in boots if (found := value(boot)) is not None}
        if len(known) > 1:
            shown = " / ".join(sorted(map(_shown, known)))
            text = f"{name} changed between boots: {shown}"
            yield Condition("unequal-host", "host", text, spoils=True)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
