# SPDX-License-Identifier: GPL-2.0-only
"""What memory traffic can explain of a series' gain, at most. Pure: a record in, values out."""

from collections.abc import Iterator, Sequence

import msgspec

from harness.judge.verdict import Verdict
from harness.record.record import Lines, ReplayRun
from harness.workloads import proxies


class Explanation(msgspec.Struct, frozen=True):
    """Line transfers per struct page of base and the series, for one page order.

    `instructions` are those per page of both, None where they were not counted. `claimed_percent`
    is the reduction that is claimed for the driver that the page order is a proxy for.
    """

    kind: str
    build: str
    base_transfers: float
    build_transfers: float
    instructions: tuple[float, float] | None
    claimed_percent: float | None

    @property
    def most_percent(self) -> float:
        """The most that the traffic saved can explain of base's time, in percent.

        It explains that much if memory is the limit of both builds. Negative for more traffic.
        """
        return (1 - self.build_transfers / self.base_transfers) * 100 if self.base_transfers else 0


def transfers(lines: Lines) -> float:
    """Return how many lines memory must transfer per page, at least.

    One per line that non-temporal stores send; two per line of ordinary stores, which is read
    before and written back after.
    """
    return lines.whole + lines.partial + 2 * lines.ordinary


def explanations(record: ReplayRun, verdicts: Sequence[Verdict]) -> Iterator[Explanation]:
    """Yield an explanation per page order whose traffic was counted for base and the series."""
    base, build = record.builds[0].name, record.tip.name
    lines = {(one.build, one.kind): one.lines for one in record.traffic}
    counts = {(one.build, one.kind): one.per_page for one in record.counts}
    for kind in dict.fromkeys(one.kind for one in record.traffic):
        both = (base, kind), (build, kind)
        if base == build or not all(key in lines for key in both):
            continue
        ours, theirs = (transfers(lines[key]) for key in both)
        known = all(key in counts for key in both)
        claimed = (
            verdict.shown_percent
            for verdict in verdicts
            if (verdict.build, proxies(record).get(verdict.metric)) == (build, kind)
            and verdict.after_patch is None
        )
        yield Explanation(
            kind,
            build,
            ours,
            theirs,
            (counts[both[0]], counts[both[1]]) if known else None,
            next(claimed, None),
        )
