# SPDX-License-Identifier: GPL-2.0-only
"""A ladder for a terminal and for programs: a row a patch, with what it claims beside it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.analysis.judge import Verdict
from harness.analysis.rungs import Cost, Rung
from harness.model.record import RunRecord
from harness.report import words
from harness.report.text import one_line

_GOOD, _BAD, _OPEN = "green", "bold red", "yellow"
_STYLE = {"reproduced": _GOOD, "contradicted": _BAD}


def document(record: RunRecord, path: str, rungs: Sequence[Rung]) -> dict[str, Any]:
    """Return the shape of `--json`: the record's path, and one entry a prefix."""
    return {
        "record": path,
        "outcome": record.outcome,
        "evidence": record.evidence,
        "bisectable": all(not rung.why for rung in rungs),
        "rungs": [
            {
                "prefix": rung.prefix,
                "title": rung.title,
                "holds": rung.holds,
                "builds": rung.builds,
                "boots": rung.boots,
                "memmaps": rung.memmaps,
                "why": rung.why,
                "new_warnings": rung.new_warnings,
                "drivers": {name: _plain(cost) for name, cost in rung.costs.items()},
                "claims": [_claim(verdict) for verdict in rung.verdicts],
            }
            for rung in rungs
        ],
    }


def _plain(cost: Cost) -> dict[str, Any]:
    values = msgspec.to_builtins(cost)
    return {k: None if v is None else round(v, 2) for k, v in values.items()}


def _claim(verdict: Verdict) -> dict[str, Any]:
    return {
        "driver": verdict.driver,
        "claimed_percent": verdict.claimed_percent,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
    }


def table(record: RunRecord, rungs: Sequence[Rung]) -> RenderableType:
    """Return the ladder as something rich can print, 80 columns wide."""
    setup = record.setup
    grid = Table(
        title=f"{_safe(words.subject(record))}, patch by patch\n"
        f"{setup.guest}, {setup.rebinds} rebinds, {setup.boots} boot(s) a prefix",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
    )
    for name in ("patch", "builds", "warnings", "boots", "memmaps", "driver"):
        grid.add_column(name, no_wrap=True)
    # Emulated or counted, a reduction is no CPU's: the heading says so wherever the number stands.
    kind = "" if record.evidence == "boot-kvm" else f"{record.evidence}\n"
    for name in ("ms", f"{kind}of base", f"reduction\n{kind}of parent", "claimed"):
        grid.add_column(name, justify="right", no_wrap=True)
    for rung in rungs:
        for number, driver in enumerate(setup.nr_pages):
            about: list[str | Text] = [""] * 5 if number else [_number(rung), *_states(rung)]
            grid.add_row(*about, driver, *_figures(rung, driver))
    lines = [f"[bold]{rung.prefix}[/] {_safe(rung.title)}" for rung in rungs if rung.prefix]
    lines += list(_told(rungs))
    lines.append(f"[bold]evidence[/]: {escape(words.evidence(record))}")
    return Group(grid, *(Text.from_markup(line) for line in lines))


def _states(rung: Rung) -> list[Text]:
    """Builds, warnings, boots, memmaps: each in a word."""
    if not rung.builds:
        return [Text("no", _BAD), Text(""), Text(""), Text("")]
    warnings = Text("?", _OPEN) if rung.prefix else Text("")
    if rung.new_warnings is not None:
        count = len(rung.new_warnings)
        warnings = Text(f"{count} new", _BAD) if count else Text("none new", _GOOD)
    memmaps = {"equal": _GOOD, "none": _OPEN}.get(rung.memmaps, _BAD)
    return [
        Text("yes", _GOOD),
        warnings,
        Text("yes", _GOOD) if rung.boots and not rung.why else Text("no", _BAD),
        Text("" if not rung.prefix else rung.memmaps, memmaps),
    ]


def _figures(rung: Rung, driver: str) -> list[str]:
    cost = rung.costs.get(driver)
    claimed = [v.claimed_percent for v in rung.verdicts if v.driver == driver]
    last = f"{claimed[0]:.1f} %" if claimed and claimed[0] is not None else ""
    if cost is None:
        return ["-", "", "", last]
    below = (cost.below_base_percent, cost.below_parent_percent)
    return [f"{cost.mean_ms:.2f}", *("" if b is None else f"{b:.1f} %" for b in below), last]


def _told(rungs: Sequence[Rung]) -> list[str]:
    """What needs words: what is wrong, warnings, verdicts."""
    wrong = [f"[{_BAD}]{_name(rung)}[/]: {_safe(rung.why)}" for rung in rungs if rung.why]
    wrong += [
        f"[{_BAD}]{_name(rung)}[/] adds a warning: {_safe(warning)}"
        for rung in rungs
        for warning in rung.new_warnings or ()
    ]
    if any(rung.builds and rung.prefix and rung.new_warnings is None for rung in rungs):
        wrong.append(f"[{_OPEN}]?[/]: a kernel was kept by a harness that kept no warnings with it")
    if not any(rung.why for rung in rungs):
        wrong.append(
            "[bold]bisectable[/]: every prefix builds, boots and binds, and leaves base's struct "
            "pages"
        )
    wrong += [
        f"[bold]{_name(rung)}, {v.driver}[/]: [{_STYLE.get(v.verdict, _OPEN)}]{v.verdict}[/]: "
        f"claimed {v.claimed_percent:.1f} %; {_safe(v.reason)}"
        for rung in rungs
        for v in rung.verdicts
    ]
    return wrong


def _number(rung: Rung) -> str:
    return str(rung.prefix) if rung.prefix else "base"


def _safe(text: str) -> str:
    """Return text of patches, compilers and consoles as it may stand among markup."""
    return escape(one_line(text))


def _name(rung: Rung) -> str:
    return f"patch {rung.prefix}" if rung.prefix else "base"
