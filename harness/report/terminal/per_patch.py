# SPDX-License-Identifier: GPL-2.0-only
"""A ladder, patch by patch: the table and the sentences that reports share."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.prefixes import PrefixResult, PrefixTimes, bisectable
from harness.report.tables import Table, ms, percent

Tone = Literal["good", "bad", "open", ""]
_MEMMAPS = {"unreadable": "?", "none": "-"}
BISECTABLE = "every prefix builds, boots and binds, and leaves base's struct pages"


class Line(NamedTuple):
    """A sentence about `name`; `tone` says how it is to be taken."""

    name: str
    text: str
    tone: Tone


def table(conclusion: Conclusion) -> Table:
    """Return a row a prefix and driver: what it is worth, and what is claimed after it.

    A driver's reduction is that of its mean rebind, from base's and from the prefix before.
    """
    kind = conclusion.record.evidence
    headings = (
        *("patch", "boots", "memmaps", "warnings", "driver", "ms"),
        f"of base\n({kind})",
        f"of parent\n({kind})",
        "claimed",
    )
    rows: list[tuple[str, ...]] = []
    for rung in conclusion.rungs:
        for number, driver in enumerate(conclusion.record.setup.nr_pages):
            about = ("",) * 4 if number else (_number(rung), *_states(rung))
            rows.append((*about, driver, *_figures(rung, driver)))
    return Table(headings, rows, 5)


def _number(rung: PrefixResult) -> str:
    return str(rung.prefix) if rung.prefix else "base"


def _states(rung: PrefixResult) -> tuple[str, str, str]:
    """Boots, memmaps, warnings: each in a word."""
    if not rung.builds:
        return "unbuilt", "", ""
    boots = "yes" if rung.boots else "no"
    if not rung.prefix:
        return boots, "", ""
    warnings = "?" if rung.new_warnings is None else f"{len(rung.new_warnings)} new"
    return boots, _MEMMAPS.get(rung.memmaps, rung.memmaps), warnings


def _figures(rung: PrefixResult, driver: str) -> tuple[str, str, str, str]:
    cost = rung.costs.get(driver)
    claimed = [v.claimed_percent for v in rung.verdicts if v.driver == driver]
    last = percent(claimed[0]) if claimed else ""
    if cost is None:
        return ms(None), "", "", last
    below = ["" if b is None else percent(b) for b in _below(cost)]
    return ms(cost.mean_ms), below[0], below[1], last


def _below(cost: PrefixTimes) -> tuple[float | None, float | None]:
    return cost.below_base_percent, cost.below_parent_percent


def lines(conclusion: Conclusion) -> Iterator[Line]:
    """Give the patches by their subjects, what is wrong with each, and whether one can bisect."""
    found = conclusion.rungs
    for rung in found:
        if rung.title:
            yield Line(name(rung), rung.title, "")
    for rung in found:
        if rung.why:
            yield Line(name(rung), rung.why, "bad")
        for warning in rung.new_warnings or ():
            yield Line(f"{name(rung)} adds a warning", warning, "bad")
    if any(rung.builds and rung.prefix and rung.new_warnings is None for rung in found):
        yield Line("warnings", "? where this kernel's, or those before it, are not known", "open")
    if bisectable(conclusion.record, found):
        yield Line("bisectable", BISECTABLE, "good")


def broken(conclusion: Conclusion) -> PrefixResult | None:
    """Return the first prefix that does not hold, if there is one."""
    return next((rung for rung in conclusion.rungs if not rung.holds), None)


def fault(rung: PrefixResult) -> str:
    """Say in a sentence why a prefix does not hold."""
    if rung.why:
        return f"{name(rung)}: {rung.why}"
    count = len(rung.new_warnings or ())
    return f"{name(rung)} adds {count} compiler warning{'' if count == 1 else 's'}"


def name(rung: PrefixResult) -> str:
    """Return what a prefix is called: by its last patch, or base."""
    return f"patch {rung.prefix}" if rung.prefix else "base"


def entries(conclusion: Conclusion) -> dict[str, Any]:
    """Return the ladder's part of `--json`: one entry a prefix."""
    return {
        "bisectable": bisectable(conclusion.record, conclusion.rungs),
        "rungs": [
            {
                "prefix": rung.prefix,
                "title": rung.title,
                "holds": rung.holds,
                "builds": rung.builds,
                "boots": rung.boots,
                "memmaps": rung.memmaps,
                "why": rung.why,
                "detail": rung.detail,
                "new_warnings": rung.new_warnings,
                "drivers": {driver: _plain(cost) for driver, cost in rung.costs.items()},
                "claims": [
                    {
                        "driver": verdict.driver,
                        "claimed_percent": verdict.claimed_percent,
                        "verdict": verdict.verdict,
                        "reason": verdict.reason,
                    }
                    for verdict in rung.verdicts
                ],
            }
            for rung in conclusion.rungs
        ],
    }


def _plain(cost: PrefixTimes) -> dict[str, Any]:
    values = msgspec.to_builtins(cost)
    return {k: None if v is None else round(v, 2) for k, v in values.items()}
