# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as plain data for other programs, as `--json` prints it; pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.prefixes import bisectable
from harness.judge.summary import BindingMeans
from harness.judge.verdict import Verdict
from harness.record.record import ReplayRun
from harness.report.verdict_line import headline

_NO_TITLES: Mapping[str, str] = {}
_CLAIM = ("driver", "claimed_percent", "verdict", "reason")


def document(
    conclusion: Conclusion, path: str, titles: Mapping[str, str] = _NO_TITLES
) -> dict[str, Any]:
    """Return the document: one entry per driver, or per prefix (per-patch run) or build (replay).

    `path` is that of the record; `titles` are the subjects of the builds of a replay.
    """
    record = conclusion.record
    found = {
        "record": path,
        "outcome": record.outcome,
        "evidence": record.evidence,
        "headline": headline(conclusion),
    }
    if isinstance(record, ReplayRun):
        found |= _replayed(conclusion, record, titles)
    else:
        found |= _prefixes(conclusion) if conclusion.rungs else _booted(conclusion)
    return found | {
        "verdicts": [_verdict(verdict) for verdict in conclusion.verdicts],
        "effects": _plain(conclusion.effects),
        "memmaps": [{"ok": one.ok, **_plain(one)} for one in conclusion.memmaps],
        "identity": [{"ok": one.ok, **_plain(one)} for one in conclusion.identity],
        "noise": _plain(conclusion.noise),
        "null": _plain(conclusion.null),
        "gates": _plain(conclusion.gates),
    }


def _booted(conclusion: Conclusion) -> dict[str, Any]:
    """Return the bindings and the first verdict of each driver."""
    drivers: dict[str, Any] = {}
    for verdict in conclusion.verdicts:
        summary = verdict.summary
        entry = {
            "base": _binding(summary.base),
            "tip": _binding(summary.tip),
            "reduction_percent": _rounded(summary.reduction_percent, 1),
            "claimed_percent": verdict.claimed_percent,
            "verdict": verdict.verdict,
            "reason": verdict.reason,
        }
        drivers.setdefault(verdict.driver, entry)
    return {"drivers": drivers}


def _prefixes(conclusion: Conclusion) -> dict[str, Any]:
    return {
        "bisectable": bisectable(conclusion.record, conclusion.rungs),
        "prefixes": [
            {
                "prefix": prefix.prefix,
                "title": prefix.title,
                "holds": prefix.holds,
                "builds": prefix.builds,
                "boots": prefix.boots,
                "memmaps": prefix.memmaps,
                "why": prefix.why,
                "detail": prefix.detail,
                "new_warnings": prefix.new_warnings,
                "drivers": {
                    driver: {k: _rounded(v, 2) for k, v in msgspec.to_builtins(cost).items()}
                    for driver, cost in prefix.costs.items()
                },
                "claims": [
                    {key: value for key, value in _verdict(verdict).items() if key in _CLAIM}
                    for verdict in prefix.verdicts
                ],
            }
            for prefix in conclusion.rungs
        ],
    }


def _replayed(
    conclusion: Conclusion, record: ReplayRun, titles: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "cpu": record.machine.cpu,
        "nr_pages": record.setup.nr_pages,
        "rounds": record.setup.rounds,
        "limit_gb_per_s": {f.how: round(f.gb_per_s, 3) for f in conclusion.fillings},
        "rows": [
            {
                "build": row.build,
                "prefix": row.prefix,
                "title": titles.get(row.build, ""),
                **{kind: _plain(cost) for kind, cost in row.kinds.items()},
            }
            for row in conclusion.rows
        ],
        "comparisons": _plain(record.comparisons),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "driver": verdict.driver,
        "build": verdict.build,
        "after_patch": verdict.after_patch,
        "claimed_percent": verdict.claimed_percent,
        "verdict": verdict.verdict,
        "stance": verdict.stance,
        "reason": verdict.reason,
    }


def _binding(binding: BindingMeans | None) -> dict[str, Any] | None:
    if binding is None:
        return None
    return {
        "first_ms": _rounded(binding.first_ms, 2),
        "rebind_mean_ms": _rounded(binding.rebind_mean_ms, 2),
        "rebinds": binding.rebinds,
        "nr_pages": binding.nr_pages,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _plain(value: object) -> Any:
    """Return a struct as plain data, with six significant digits per number."""
    return _shortened(msgspec.to_builtins(value))


def _shortened(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _shortened(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(part) for part in value]
    return value
