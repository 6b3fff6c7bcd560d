# SPDX-License-Identifier: GPL-2.0-only
"""Terminal and JSON output; the exact text is in tests/goldens."""

import json

import msgspec
import pytest
from rich.cells import cell_len

from harness.judge.conclude import Conclusion, conclude
from harness.report.formats.json import document
from harness.report.terminal.run import terminal
from tests.unit.builders import claims, record
from tests.unit.conclusions import replay
from tests.unit.reports import CONCLUSIONS, as_mail, made, printed

replace = msgspec.structs.replace


@pytest.mark.parametrize("name", CONCLUSIONS)
def test_the_terminal_is_80_columns_wide(name: str) -> None:
    lines = made(name, "terminal.txt").splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert not any("…" in line for line in lines)


def test_a_replay_of_variants_fits_too() -> None:
    rec = replay(differ=True)
    base, _, last = rec.builds
    slow = [replace(p, cpu_ns=p.cpu_ns * 30) for p in rec.passes]
    slow = [
        replace(p, build={"2": "rep-movsb"}.get(p.build, p.build)) for p in slow if p.build != "1"
    ]
    rec = replace(rec, builds=(base, replace(last, name="rep-movsb")), passes=tuple(slow))
    conclusion = conclude(rec, claims())
    lines = printed(terminal(conclusion)).splitlines()
    assert any("rep-movsb order9" in line for line in lines)
    assert max(map(cell_len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert max(map(len, as_mail(conclusion).decode().splitlines())) <= 78


def test_an_empty_run_shows_no_number() -> None:
    empty = replace(record(), boots=(), outcome="lost", reason="killed")
    text = printed(terminal(conclude(empty, claims())))
    assert "00" not in text.partition("nd_pmem")[2].partition("inconclusive")[0]
    assert "the run was interrupted: killed" in text
    assert "inconclusive" in text


def test_a_replay_shows_the_titles_of_its_builds() -> None:
    text = printed(terminal(CONCLUSIONS["replay"], {"1": "mm: copy [from] a template"}))
    assert "1: mm: copy [from] a template" in text


def plain(conclusion: Conclusion) -> dict[str, object]:
    found = json.loads(json.dumps(document(conclusion, "results/x/record.json"), allow_nan=False))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", CONCLUSIONS)
def test_the_document_has_all_parts(name: str) -> None:
    found = plain(CONCLUSIONS[name])
    own = {"cpu", "nr_pages", "rounds", "limit_gb_per_s", "rows", "traffic", "comparisons"}
    if CONCLUSIONS[name].record.evidence != "replay":
        own = {"bisectable", "prefixes"} if CONCLUSIONS[name].prefixes else {"drivers"}
    assert set(found) == own | {
        "record", "outcome", "evidence", "headline", "verdicts", "effects", "memmaps",
        "identity", "noise", "null", "gates",
    }  # fmt: skip


def test_the_document_has_an_entry_per_driver() -> None:
    drivers = document(CONCLUSIONS["tcg"], "x")["drivers"]
    assert set(drivers) == {"nd_pmem", "dax_pmem"}
    assert drivers["nd_pmem"] == {
        "base": {
            "first_ms": 1360.0, "rebind_mean_ms": 272.0, "rebinds": 90, "nr_pages": 25_804_288
        },
        "tip": {"first_ms": 550.0, "rebind_mean_ms": 110.0, "rebinds": 90, "nr_pages": 25_804_288},
        "reduction_percent": 59.6,
        "claimed_percent": 59.4,
        "verdict": "untested",
        "reason": CONCLUSIONS["tcg"].verdicts[0].reason,
    }  # fmt: skip
    empty = conclude(replace(record(), boots=()), claims())
    assert document(empty, "x")["drivers"]["nd_pmem"]["base"] is None


def test_the_document_of_a_replay_has_a_row_per_build() -> None:
    found = document(conclude(replay(), claims()), "x", {"1": "mm: copy"})
    base, first, _ = found["rows"]
    assert (base["build"], first["build"], first["prefix"], first["title"]) == (
        "base", "1", 1, "mm: copy",
    )  # fmt: skip
    assert first["order0"]["ratio"] == 0.9
    assert found["limit_gb_per_s"]["movnti"] == pytest.approx(33.6, abs=0.1)
