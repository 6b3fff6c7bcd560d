# SPDX-License-Identifier: GPL-2.0-only
"""Terminal and JSON output; the exact text is in tests/goldens."""

import io
import json
import random
import re

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from harness.judge.conclude import Conclusion, conclude
from harness.project.claim import Claim
from harness.record.record import ReplayRun
from harness.report.claims import reasons
from harness.report.formats.json import document
from harness.report.tables import by_build
from harness.report.terminal.run import terminal
from tests.unit import replays
from tests.unit.builders import claims, record
from tests.unit.conclusions import replay
from tests.unit.reports import CONCLUSIONS, as_mail, printed

replace = msgspec.structs.replace


def at(width: int, conclusion: Conclusion, *, verbose: bool = False) -> list[str]:
    return printed(terminal(conclusion, verbose=verbose), width).splitlines()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("name", CONCLUSIONS)
def test_the_report_fits_the_terminal(name: str, verbose: bool, width: int) -> None:
    lines = at(width, CONCLUSIONS[name], verbose=verbose)
    assert max(map(cell_len, lines)) <= width
    assert not any("…" in line for line in lines)


def test_both_kinds_fit_beside_a_claim_about_a_patch_of_a_physical_host() -> None:
    claim = replace(claims()[0], after_patch=1, reduction_percent=10.0, setup="physical")
    found = conclude(CONCLUSIONS["reproduced"].record, [*claims(), claim], replay=replay())
    lines = at(80, found)
    assert max(map(cell_len, lines)) <= 80
    assert not any("…" in line for line in lines)
    (row,) = (line.split() for line in lines if line.startswith("nd_pmem@1"))
    assert row[-1] == "supported"


def nine() -> ReplayRun:
    """A replay of base and eight patches, whose claims hold or not, on a busy machine."""
    rng, pages = random.Random(1), 1 << 20
    names = ["base", *map(str, range(1, 9))]
    rec = replays.replay(
        {
            name: [pages * 4.6 * (1 - 0.07 * n) * (1 + rng.uniform(-0.03, 0.03)) for _ in range(14)]
            for n, name in enumerate(names)
        },
        pages=pages,
    )
    builds = tuple(replace(b, files=("mm/mm_init.c", "a.c", "b.c", "c.c")) for b in rec.builds)
    subject = replace(rec.subject, patch_ids=tuple("abcdefgh"))
    return replace(rec, builds=builds, subject=subject)


def nine_claims() -> list[Claim]:
    nd_pmem, dax_pmem = claims()
    third = replace(nd_pmem, after_patch=3, reduction_percent=10.0)
    return [nd_pmem, dax_pmem, third, replace(dax_pmem, after_patch=4, reduction_percent=40.0)]


@pytest.mark.parametrize("width", [80, 120])
def test_a_replay_of_nine_builds_takes_30_lines(width: int) -> None:
    found = conclude(nine(), nine_claims())
    worst = CONCLUSIONS["everything"].noise[0]
    kinds = ("load", "steal", "drift", "outlier", "bimodal", "throttled")
    noise = tuple(replace(worst, kind=kind) for kind in kinds for _ in range(4))
    lines = at(width, replace(found, noise=noise))
    assert len(lines) <= 29  # and the path of the record
    words = [line.split()[-1] for line in lines if line.startswith(("nd_pmem", "dax_pmem"))]
    assert words == ["supported", "supported", "supported", "doubted"]
    assert lines.index(next(line for line in lines if line.startswith("base "))) > 8
    text = " ".join(" ".join(lines).split())
    assert "base and series differ only in mm/mm_init.c and 3 more files; same compiler" in text
    assert text.count("noise: ") == 3
    assert "(and 3 more)" in text
    assert text.endswith("hint: idle (3 more exceptions: `harness report -v`)")
    assert " ".join(at(width, replace(found, noise=noise), verbose=True)).count("noise: ") == 24


def test_at_most_12_columns() -> None:
    for wide in (False, True):
        assert len(by_build(conclude(nine(), nine_claims()), wide=wide).headings) <= 12


def test_faults_precede_numbers() -> None:
    lines = at(80, CONCLUSIONS["replay-differs"])
    assert lines[2].startswith("struct pages of cases, series: 1 of 1 comparisons with base failed")
    broken = at(80, CONCLUSIONS["prefixes-broken"])
    claim = broken.index(next(line for line in broken if line.startswith("claim")))
    assert "patch 1: the kernel does not build" in broken[:claim]
    assert any("error" in line for line in broken[:claim])


def test_only_verdicts_and_faults_are_coloured() -> None:
    out = io.StringIO()
    shown = terminal(CONCLUSIONS["tcg"])
    Console(file=out, width=80, force_terminal=True, color_system="standard").print(shown)
    coloured = re.findall(r"\x1b\[3[0-9]m *([^\x1b]*?) *\x1b", out.getvalue())
    assert set(coloured) == {"untested"}


def test_a_replay_without_a_claim_shows_what_the_series_saves() -> None:
    lines = at(80, conclude(replay(), ()))
    assert [line.split() for line in lines if "no claim" in line] == [
        f"{kind}, no claim - 55.0 % (55.0 to 55.0)".split() for kind in ("order0", "order9")
    ]


def test_reasons_name_the_claims_that_they_are_about() -> None:
    (line,) = reasons(CONCLUSIONS["tcg"])
    assert line.name == "nd_pmem, dax_pmem"
    assert line.text.startswith("untested: emulated time (TCG)")
    nested = replace(CONCLUSIONS["reproduced"].record.machine, hypervisor="kvm")
    found = conclude(replace(CONCLUSIONS["reproduced"].record, machine=nested), claims())
    assert [line.text for line in reasons(found)] == [
        "reproduced: nested KVM: the host is a virtual machine (kvm)"
    ]
    assert list(reasons(CONCLUSIONS["reproduced"])) == []


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
    assert any(line.startswith("rep-movsb") for line in lines)
    assert max(map(cell_len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert max(map(len, as_mail(conclusion).decode().splitlines())) <= 78


def test_an_empty_run_shows_no_number() -> None:
    empty = replace(record(), boots=(), outcome="lost", reason="killed")
    text = printed(terminal(conclude(empty, claims())))
    assert "00" not in text.partition("nd_pmem")[2].partition("killed")[0]
    assert "inconclusive: the run is lost: killed" in text


def test_a_replay_shows_the_titles_of_its_builds() -> None:
    titles = {"1": "mm: copy [from] a template"}
    text = printed(terminal(CONCLUSIONS["replay"], titles, verbose=True))
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
        own = {"bisectable", "prefixes"} if CONCLUSIONS[name].prefixes else {"metrics"}
    if CONCLUSIONS[name].record.evidence == "reported":
        own |= {"taken_on_trust"}
    assert set(found) == own | {
        "record", "outcome", "evidence", "headline", "verdicts", "effects", "memmaps",
        "identity", "noise", "null", "clocks", "gates",
    }  # fmt: skip


def test_the_document_has_an_entry_per_driver() -> None:
    drivers = document(CONCLUSIONS["tcg"], "x")["metrics"]
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
    assert document(empty, "x")["metrics"]["nd_pmem"]["base"] is None


def test_the_document_of_a_replay_has_a_row_per_build() -> None:
    found = document(conclude(replay(), claims()), "x", {"1": "mm: copy"})
    base, first, _ = found["rows"]
    assert (base["build"], first["build"], first["prefix"], first["title"]) == (
        "base", "1", 1, "mm: copy",
    )  # fmt: skip
    assert first["order0"]["ratio"] == 0.9
    assert found["limit_gb_per_s"]["movnti"] == pytest.approx(33.6, abs=0.1)
