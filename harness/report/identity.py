# SPDX-License-Identifier: GPL-2.0-only
"""What is as base has it, in words: all that must be, for a comparison, and the memmaps left."""

from collections.abc import Sequence
from typing import NamedTuple

from harness.judge.comparable import Identity, SymbolSize
from harness.judge.conclude import Conclusion
from harness.memmap.compare import Verified
from harness.report import phrases


def unequal_pins(found: Identity) -> list[str]:
    """Return what keeps a build from being compared with base."""
    return [f"{pin.name}: {pin.base} and {pin.tip}" for pin in found.pins if not pin.equal]


#: How many things are named before the rest is only counted.
SHOWN = 6


def sameness(found: Identity, pins_shown: int = 100) -> list[str]:
    """Return what shows that a build differs from base in the series alone, or that it does not."""
    told = [f"not comparable with base: {text}" for text in unequal_pins(found)]
    equal = [pin.name for pin in found.pins if pin.equal]
    if equal:
        told.append(f"as base's: {_few(equal, pins_shown)}")
    if found.files is not None:
        told.append(f"files that differ: {_few(found.files)}")
    if found.config_diff:
        told.append(f"options that differ: {_few(found.config_diff)}")
    if found.symbols is not None:
        told.append(f"symbols of another size: {_few([_symbol(one) for one in found.symbols])}")
    return told


def _symbol(one: SymbolSize) -> str:
    sizes = ["none" if size is None else str(size) for size in (one.base_bytes, one.tip_bytes)]
    return f"{one.name} {sizes[0]} -> {sizes[1]} bytes"


def _few(texts: Sequence[str], shown: int = SHOWN) -> str:
    more = f" and {len(texts) - shown} more" if len(texts) > shown else ""
    return ", ".join(texts[:shown]) + more if texts else "none"


class Left(NamedTuple):
    """What one build left of one kind, over all boots or processes: how many are not base's, why.

    A build is at fault where pages were compared and differ, and the build is not base itself.
    """

    build: str
    driver: str
    compared: int
    unlike: int
    why: str
    at_fault: bool

    @property
    def sentence(self) -> str:
        """What is to be said of it."""
        if not self.unlike:
            return f"as base's, {self.compared} of {self.compared}"
        return f"{self.unlike} of {self.compared} not as base's: {self.why}"


def memmaps(conclusion: Conclusion) -> list[Left]:
    """Return what each build left, of each driver or kind of page."""
    places = dict.fromkeys((one.build, one.driver) for one in conclusion.memmaps)
    return [
        _left(conclusion, [one for one in conclusion.memmaps if (one.build, one.driver) == place])
        for place in places
    ]


def _left(conclusion: Conclusion, found: Sequence[Verified]) -> Left:
    """Take together what one build left; its first reason speaks for all."""
    record, name = conclusion.record, found[0].build
    unlike = [one for one in found if not one.ok]
    why = ""
    if unlike:
        why = f"{phrases.unit(record)} {unlike[0].number}: {unlike[0].problem or 'it differs'}"
    at_fault = any(one.compared for one in unlike) and not phrases.is_base(record, name)
    return Left(name, found[0].driver, len(found), len(unlike), why, at_fault)


def unlike(conclusion: Conclusion) -> list[str]:
    """Return a sentence for whatever memmaps are not as base's, or could not be compared."""
    record = conclusion.record
    return [
        f"struct pages of {left.driver}, {phrases.build(record, left.build)}: {left.sentence}"
        for left in memmaps(conclusion)
        if left.unlike
    ]
