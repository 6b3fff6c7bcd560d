# SPDX-License-Identifier: GPL-2.0-only
"""Replays of the same builds with several compilers, timed in the same rounds. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.ratios.passes import Slices, paired
from harness.judge.stats.ratio import Ratio
from harness.judge.tabulate import of_passes
from harness.record.record import ReplayRun

#: Whether a build is faster than base, according to the 95 % interval of its ratio.
Gain = Literal["faster", "slower", "open"]


class ByCompiler(msgspec.Struct, frozen=True):
    """One build and page order, by compiler.

    `ratios` are to the base of the same compiler; base itself has none. `beside_first` are the
    build's times relative to those of the same build by the first compiler.
    """

    build: str
    kind: str
    compilers: tuple[str, ...]
    ratios: Mapping[str, Ratio]
    beside_first: Mapping[str, Ratio]

    @property
    def gains(self) -> dict[str, Gain]:
        """Whether the build is faster than base, by compiler."""
        return {compiler: _gain(ratio) for compiler, ratio in self.ratios.items()}

    @property
    def disagree(self) -> bool:
        """Whether the build is faster than base with some compilers, and not with others."""
        return "faster" in self.gains.values() and len(set(self.gains.values())) > 1


def by_compiler(found: Sequence[Conclusion]) -> tuple[ByCompiler, ...]:
    """Return the builds and page orders that several replays have, in the first one's order.

    The replays were timed in the same rounds.
    """
    slices, ratios = {}, {}
    for one in found:
        assert isinstance(one.record, ReplayRun)  # noqa: S101 (boots have one compiler)
        compiler = one.record.setup.compiler
        slices[compiler] = _slices(one.record)
        ratios[compiler] = {
            (e.build, e.kind): Ratio(e.ratio, e.low, e.high)
            for e in one.effects
            if (e.op, e.cost_unit) == ("rebind", "ns")
        }
    first, *others = slices
    return tuple(
        ByCompiler(
            *key,
            tuple(slices),
            {compiler: known[key] for compiler, known in ratios.items() if key in known},
            {other: paired(slices[first][key], slices[other][key]) for other in others},
        )
        for key in slices[first]
        if all(key in known for known in slices.values())
    )


def _slices(record: ReplayRun) -> dict[tuple[str, str], Slices]:
    """Return the times by build and page order, of those that have some."""
    return {
        (build, kind): units.slices
        for (build, kind, op), units in of_passes(record).units.items()
        if op == "rebind" and units.slices
    }


def _gain(ratio: Ratio) -> Gain:
    if ratio.high is not None and ratio.high < 1:
        return "faster"
    return "slower" if ratio.low is not None and ratio.low > 1 else "open"
