# SPDX-License-Identifier: GPL-2.0-only
"""A replay for a terminal and for programs: what every prefix costs, natively, on this CPU."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.analysis.replayed import Cost, Filling, fillings, rows
from harness.model.record import RunRecord

MAY = "replay, the compiled function on this CPU: supports or doubts a claim, does not decide it"


def document(record: RunRecord, path: str, titles: Mapping[str, str]) -> dict[str, Any]:
    """Return the shape of `--json`; `titles` says what each side is."""
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
                "title": titles.get(row.side, ""),
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


def table(record: RunRecord, titles: Mapping[str, str]) -> RenderableType:
    """Return the report as something rich can print, 80 columns wide."""
    subject, setup = record.subject, record.setup
    grid = Table(
        title=f"{subject.slug} ({subject.source}) on v{subject.release}, {record.machine.cpu}: "
        f"{setup.boots} rounds of {setup.rebinds} passes",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for name in ("side", "kind"):
        grid.add_column(name, no_wrap=True)
    for name in ("ns/page", "GB/s", "ms", "first", "ratio", "95 %", "limit", "memmap"):
        grid.add_column(name, justify="right", no_wrap=True)
    found = rows(record)
    base = record.sides[0].name
    for row in found:
        for number, (kind, cost) in enumerate(row.kinds.items()):
            last = number == len(row.kinds) - 1
            name = "" if number else escape(row.side)
            grid.add_row(name, kind, *_cells(cost, is_base=row.side == base), end_section=last)
    lines = [f"[bold]{escape(name)}[/] {escape(title)}" for name, title in titles.items()]
    lines += [
        f"[bold]{escape(c.side)}[/] {c.kind}: {c.per_page:.3f} instructions a struct page ({c.by})"
        for c in record.counts
    ]
    lines += [_limit(fillings(record)), *_unequal(record)]
    lines.append("first: ms of the passes that fault the memory in; limit: share of what it takes")
    lines.append(f"[bold]evidence[/] {MAY}")
    return Group(grid, *(Text.from_markup(line) for line in lines if line))


def _cells(cost: Cost, *, is_base: bool) -> list[str | Text]:
    equal: str | Text = ""
    if cost.equal_memmap is not None and not is_base:
        equal = Text("equal", "green") if cost.equal_memmap else Text("differs", "red")
    return [
        f"{cost.ns_per_page:.2f}",
        f"{cost.gb_per_s:.1f}",
        f"{cost.ms:.1f}",
        "" if cost.first_ms is None else f"{cost.first_ms:.0f}",
        "" if is_base else f"{cost.ratio:.3f}",
        "" if is_base else _interval(cost),
        "" if cost.limit_share is None else f"{cost.limit_share:.0%}",
        equal,
    ]


def _interval(cost: Cost) -> str:
    if cost.ratio_low is None or cost.ratio_high is None:
        return "too few"
    return f"{cost.ratio_low:.3f}-{cost.ratio_high:.3f}"


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
