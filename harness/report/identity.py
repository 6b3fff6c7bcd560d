# SPDX-License-Identifier: GPL-2.0-only
"""Sentences on what a build has in common with base: settings, files, symbols, struct pages."""

from collections.abc import Sequence
from typing import NamedTuple

from harness.host import units
from harness.judge.conclude import Conclusion
from harness.judge.conditions.comparable import Identity, SymbolSize
from harness.memmap.compare import Verified
from harness.report import phrases

#: How many names a terminal lists before the rest is only counted.
SHOWN = 6


def unequal_pins(found: Identity) -> list[str]:
    """Return what keeps a build from being compared with base."""
    return [
        f"{pin.name}: {pin.base} in base, {pin.tip} in this build"
        for pin in found.pins
        if not pin.equal
    ]


def identical_pins(found: Identity, shown: int = 100) -> str:
    """Return what is identical in base and a build, as it must be for a comparison."""
    names = [pin.name for pin in found.pins if pin.equal]
    return f"identical to base: {units.listed(names, shown) or 'none'}"


def sameness(found: Identity, pins_shown: int = 100) -> list[str]:
    """Return what a build has in common with base, and in what it differs."""
    lines = [f"not comparable with base: {text}" for text in unequal_pins(found)]
    lines += [f"differs as planned: {text}" for text in found.planned]
    if any(pin.equal for pin in found.pins):
        lines.append(identical_pins(found, pins_shown))
    if found.files is not None:
        lines.append(f"files that differ: {units.listed(found.files, SHOWN) or 'none'}")
    if found.config_diff:
        lines.append(f"options that differ: {units.listed(found.config_diff, SHOWN) or 'none'}")
    if found.symbols is not None:
        sizes = [_symbol(symbol) for symbol in found.symbols]
        lines.append(f"symbols that changed size: {units.listed(sizes, SHOWN) or 'none'}")
    return lines


#: Fields that must be equal and that a summary names, with their names there.
_NAMED = {
    "compiler": "compiler",
    "configuration": "configuration",
    "kernel command line": "command line",
    "guest": "guest",
}


def summary(conclusion: Conclusion) -> str:
    """Return how base and the last build differ, in words; empty if they are not comparable."""
    record = conclusion.record
    if not conclusion.identity or not all(found.ok for found in conclusion.identity):
        return ""
    found = conclusion.identity[-1]
    equal = [word for name, word in _NAMED.items() if name in {pin.name for pin in found.pins}]
    names = f"base and {phrases.build(record, found.build)}"
    if found.planned:
        return f"{names} differ as planned in {'; '.join(found.planned)}; same {', '.join(equal)}"
    if found.files:
        first, *others = found.files
        more = f" and {units.count(len(others), 'more file')}" if others else ""
        return f"{names} differ only in {first}{more}; same {', '.join(equal)}"
    return f"{names}: same {', '.join(equal)}"


def _symbol(symbol: SymbolSize) -> str:
    sizes = ["none" if s is None else str(s) for s in (symbol.base_bytes, symbol.tip_bytes)]
    return f"{symbol.name} {sizes[0]} -> {sizes[1]} bytes"


class ComparedMemmaps(NamedTuple):
    """All comparisons of one build's struct pages, of one driver or kind of page, with base's.

    A build is at fault if pages were compared and differ, and the build is not base itself.
    """

    build: str
    metric: str
    compared: int
    failed: int
    why: str
    at_fault: bool

    @property
    def sentence(self) -> str:
        """The result of the comparisons."""
        if self.failed:
            return f"{self.failed} of {self.compared} comparisons with base failed: {self.why}"
        return identical(self.compared)


def identical(comparisons: int) -> str:
    """Return that struct pages were identical to base's in all comparisons."""
    in_all = "" if comparisons == 1 else f" in all {comparisons} comparisons"
    return f"identical to base{in_all}"


def memmaps(conclusion: Conclusion) -> list[ComparedMemmaps]:
    """Return the comparisons of each build with base, per driver or kind of page."""
    places = dict.fromkeys((one.build, one.metric) for one in conclusion.memmaps)
    return [
        _compared(
            conclusion, [one for one in conclusion.memmaps if (one.build, one.metric) == place]
        )
        for place in places
    ]


def _compared(conclusion: Conclusion, found: Sequence[Verified]) -> ComparedMemmaps:
    record, name = conclusion.record, found[0].build
    failed = [one for one in found if not one.ok]
    why = ""
    if failed:
        why = f"{phrases.unit(record)} {failed[0].number}: {failed[0].problem or 'it differs'}"
    at_fault = any(one.compared for one in failed) and not phrases.is_base(record, name)
    return ComparedMemmaps(name, found[0].metric, len(found), len(failed), why, at_fault)
