# SPDX-License-Identifier: GPL-2.0-only
"""A judged run as plain data for other programs: the shape of `--json`."""

from collections.abc import Sequence
from typing import Any

from harness.analysis.judge import Verdict
from harness.analysis.summary import Binding
from harness.model.record import RunRecord


def document(record: RunRecord, path: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the document: the record's path, the kind of evidence, and one entry a driver."""
    return {
        "record": path,
        "outcome": record.outcome,
        "evidence": record.evidence,
        "drivers": {
            v.summary.driver: {
                "base": _binding(v.summary.base),
                "tip": _binding(v.summary.tip),
                "reduction_percent": _rounded(v.summary.reduction_percent, 1),
                "claimed_percent": v.claimed_percent,
                "verdict": v.verdict,
                "reason": v.reason,
            }
            for v in verdicts
        },
    }


def _binding(binding: Binding | None) -> dict[str, Any] | None:
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
