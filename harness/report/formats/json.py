# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as plain data for other programs, as `--json` prints it; pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from harness.judge.conclude import Conclusion
from harness.judge.conditions.comparable import Identity
from harness.judge.ratios.prefixes import bisectable
from harness.judge.summary import BindingMeans
from harness.judge.verdict import Verdict
from harness.record.metric import Metric, gained
from harness.record.record import ReplayRun
from harness.report import phrases
from harness.report.verdict_line import headline

_NO_TITLES: Mapping[str, str] = {}
_CLAIM = ("metric", "claimed_percent", "verdict", "reason")
_VERDICT = (
    *("metric", "build", "after_patch", "setup", "claimed_percent", "verdict", "reason"),
    *("evidence", "first", "figures", "precision", "disagrees"),
)
#: A verdict's parts, where a replay was made beside the boots.
_PART = ("verdict", "reason", "evidence")
_PREFIX = (
    *(
        "name",
        "prefix",
        "title",
        "holds",
        "builds",
        "boots",
        "memmaps",
        "why",
        "detail",
        "new_warnings",
    ),
)


def document(
    conclusion: Conclusion, path: str, titles: Mapping[str, str] = _NO_TITLES
) -> dict[str, Any]:
    """Return the document: one entry per driver, or per prefix (per-patch run) or build (replay).

    `path` is that of the record; `titles` are the subjects of the builds of a replay.
    """
    record = conclusion.record
    found: dict[str, Any] = {
        "record": path,
        "outcome": record.outcome,
        "evidence": record.evidence,
        "headline": headline(conclusion),
    }
    if isinstance(record, ReplayRun):
        found |= _replayed(conclusion, record, titles)
    else:
        found |= _prefixes(conclusion) if conclusion.prefixes else _booted(conclusion)
    if trusted := phrases.taken_on_trust(record):
        found["taken_on_trust"] = trusted
    if conclusion.replay is not None:
        replay = conclusion.replay
        if replay in conclusion.parts:
            found["replay"] = document(replay, path, titles)
        else:
            found["replay"] = {"outcome": replay.record.outcome, "reason": replay.record.reason}
    return found | {
        "verdicts": [_verdict(verdict) for verdict in conclusion.verdicts],
        "effects": _plain(conclusion.effects),
        "memmaps": [{"ok": one.ok, **_plain(one)} for one in conclusion.memmaps],
        "identity": [_identity(one) for one in conclusion.identity],
        "noise": _plain(conclusion.noise),
        "null": _plain(conclusion.null),
        "clocks": [{"agree": one.agree, **_plain(one)} for one in conclusion.clocks],
        "gates": _plain(conclusion.rules),
    }


def _identity(one: Identity) -> dict[str, Any]:
    found = {"ok": one.ok, **_plain(one)}
    if not one.planned:
        del found["planned"]
    return found


def _verdict(verdict: Verdict) -> dict[str, Any]:
    parts = {"boots": verdict.boots, "replay": verdict.replay}
    return _chosen(verdict, _VERDICT) | {
        name: _chosen(part, _PART) for name, part in parts.items() if part is not None
    }


def _means(metric: Metric, found: BindingMeans | None) -> Any:
    """Return the means of a build, with the unit if the metric is not a time."""
    if metric.unit == "ns" or found is None:
        return _rounded(found)
    mean = _rounded(found.rebind_mean_ms)
    return {"mean": mean, "unit": metric.shown_unit, "samples": found.rebinds}


def _booted(conclusion: Conclusion) -> dict[str, Any]:
    """Return the bindings and the first verdict of each metric, or of each build of the plan."""
    metrics: dict[str, Any] = {}
    for verdict in conclusion.verdicts:
        summary = verdict.summary
        base, tip = _means(summary.of, summary.base), _means(summary.of, summary.tip)
        result = {
            f"{gained(summary.of.better)}_percent": _rounded(summary.gain_percent, 1),
            "claimed_percent": verdict.claimed_percent,
            "verdict": verdict.verdict,
            "reason": verdict.reason,
        }
        if verdict.of_plan:
            builds = metrics.setdefault(verdict.metric, {"base": base})
            builds[verdict.build] = {**(tip or {}), **result}
        else:
            metrics.setdefault(verdict.metric, {"base": base, "tip": tip, **result})
    return {"metrics": metrics}


def _prefixes(conclusion: Conclusion) -> dict[str, Any]:
    return {
        "bisectable": bisectable(conclusion.record, conclusion.prefixes),
        "prefixes": [
            {
                **_chosen(prefix, _PREFIX),
                "metrics": _rounded(prefix.costs),
                "claims": [_chosen(verdict, _CLAIM) for verdict in prefix.verdicts],
            }
            for prefix in conclusion.prefixes
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
        "traffic": _plain(record.traffic),
        "comparisons": _plain(record.comparisons),
    }


def _chosen(value: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: _plain(getattr(value, name)) for name in names}


def _rounded(value: object, digits: int = 2) -> Any:
    """Return a value as plain data, its numbers with `digits` decimals."""
    return _mapped(msgspec.to_builtins(value), lambda number: round(number, digits))


def _plain(value: object) -> Any:
    """Return a value as plain data, its numbers with six significant digits."""
    return _mapped(msgspec.to_builtins(value), lambda number: float(f"{number:.6g}"))


def _mapped(value: Any, shorten: Callable[[float], float]) -> Any:
    if isinstance(value, float):
        return shorten(value)
    if isinstance(value, dict):
        return {name: _mapped(part, shorten) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(part, shorten) for part in value]
    return value
