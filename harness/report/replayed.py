# SPDX-License-Identifier: GPL-2.0-only
"""A replay for a terminal and for programs: what every prefix costs, natively, on this CPU."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.analysis.replayed import Cost, Filling, Row, fillings, rows
from harness.model.record import RunRecord

MAY = (
    "replay: the compiled function on this CPU, without a guest: supports or doubts a claim, "
    "does not decide it"
)


def document(record: RunRecord, path: str, titles: Mapping[int, str]) -> dict[str, Any]:
    """Return the shape of `--json`; `titles` gives each prefix's subject."""
    return {
        "record": path,
        "outcome": record.outcome,
        "evidence": record.evidence,
        "cpu": record.machine.cpu,
        "nr_pages": record.setup.nr_pages,
        "rounds": record.setup.boots,
        "limit_gb_per_s": {f.how: round(f.gb_per_s, 3) for f in fillings(record)},
        "rows": [
            {
                "side": row.side,
                "prefix": row.prefix,
                "title": titles.get(row.prefix, ""),
                **{kind: _plain(cost) for kind, cost in row.kinds.items()},
            }
            for row in rows(record)
        ],
        "comparisons": msgspec.to_builtins(record.comparisons),
    }


def _plain(cost: Cost) -> dict[str, Any]:
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in msgspec.to_builtins(cost).items()
    }


def table(record: RunRecord, titles: Mapping[int, str]) -> RenderableType:
    """Return the report as something rich can print."""
    subject, setup = record.subject, record.setup
    grid = Table(
        title=f"{subject.slug} ({subject.source}) on v{subject.release}: "
        f"{setup.boots} rounds of {setup.rebinds} passes on {record.machine.cpu}",
        title_justify="left",
    )
    columns = ("", "", "ns/page", "GB/s", "ms", "first ms", "of base", "95 %", "of limit", "memmap")
    for name in columns:
        grid.add_column(name, justify="left" if not name else "right", no_wrap=bool(name))
    found = rows(record)
    for row in found:
        title = titles.get(row.prefix, "") if row.prefix else "base"
        for number, (kind, cost) in enumerate(row.kinds.items()):
            first = escape(f"{row.prefix} {title}" if row.prefix else title) if not number else ""
            last = number == len(row.kinds) - 1
            grid.add_row(first, kind, *_cells(cost, row), end_section=last)
    lines = [_limit(fillings(record)), *_unequal(record), f"[bold]evidence[/] {MAY}"]
    return Group(grid, *(Text.from_markup(line) for line in lines if line))


def _cells(cost: Cost, row: Row) -> list[str | Text]:
    equal: str | Text = "-"
    if cost.equal_memmap is not None and row.prefix:
        equal = Text("equal", "green") if cost.equal_memmap else Text("differs", "red")
    return [
        f"{cost.ns_per_page:.2f}",
        f"{cost.gb_per_s:.1f}",
        f"{cost.ms:.1f}",
        "-" if cost.first_ms is None else f"{cost.first_ms:.0f}",
        f"{cost.ratio:.3f}" if row.prefix else "1",
        _interval(cost) if row.prefix else "",
        "-" if cost.limit_share is None else f"{cost.limit_share:.0%}",
        equal,
    ]


def _interval(cost: Cost) -> str:
    if cost.ratio_low is None or cost.ratio_high is None:
        return "too few"
    return f"{cost.ratio_low:.3f} to {cost.ratio_high:.3f}"


def _limit(found: Sequence[Filling]) -> str:
    if not found:
        return ""
    told = ", ".join(f"{f.how} {f.gb_per_s:.1f}" for f in found)
    return f"[bold]this memory takes[/] (GB/s): {told}; the limit is the best non-temporal one"


def _unequal(record: RunRecord) -> list[str]:
    return [
        f"[red]{c.side} differs from base[/]: {escape(c.detail)}"
        for c in record.comparisons
        if not c.equal
    ]
