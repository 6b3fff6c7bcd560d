# SPDX-License-Identifier: GPL-2.0-only
"""A run keeps the claims that came with its patches, for every later report."""

import json
import subprocess
from pathlib import Path

import pytest

from harness.project.run_claims import FILE, load
from tests.fakes.machine import FakeMachine

HOW = ("--base", "v7.2", "--plan", "quick", "--accelerator", "tcg", "--json")
SENTENCE = "The average rebind of nd_pmem falls from 60.00 ms to 31.20 ms."
COVER = f"""\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: A Developer <dev@example.org>
Subject: [PATCH 0/2] mm: half the time
Date: Fri, 15 May 2026 10:00:00 +0800
Message-ID: <half@example.org>

The drivers were rebound 4 times.

{SENTENCE}
LLC misses of dax_pmem fall by 40%.

"""


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    made = FakeMachine(tmp_path)
    patches = sorted((made.root / "series/test/ports/v7.2").iterdir())
    (tmp_path / "my.mbox").write_text(COVER + "".join(path.read_text() for path in patches))
    return made


def folder(done: subprocess.CompletedProcess[str]) -> Path:
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["record"]).parent


def claimed(done: subprocess.CompletedProcess[str]) -> dict[str, float | None]:
    verdicts = json.loads(done.stdout)["verdicts"]
    return {verdict["metric"]: verdict["claimed_percent"] for verdict in verdicts}


def test_the_claims_of_the_letter_stay_with_the_run(machine: FakeMachine) -> None:
    mbox = str(machine.folder / "my.mbox")
    done = machine.harness("reproduce", mbox, *HOW)
    letter = "the cover letter <half@example.org>"
    assert f"claim nd_pmem: 60.00 -> 31.20 ms ({letter})\n" in done.stderr
    assert f"line 9: {SENTENCE}\n" in done.stderr
    assert f"left open: {letter}, line 10: '40%'" in done.stderr
    assert claimed(done) == {"nd_pmem": 48, "dax_pmem": None}
    run = folder(done)
    kept = load(run)
    assert kept is not None
    assert kept.claims[0].quotes == (SENTENCE,)
    for command in (("judge",), ("report",)):
        assert claimed(machine.harness(*command, run.name, "--json")) == claimed(done)
    packed = str(machine.folder / "run.tar.gz")
    assert machine.harness("bundle", run.name, "-o", packed).returncode == 0
    assert claimed(machine.harness("report", packed, "--json")) == claimed(done)

    (run / FILE).write_text("claims: none\n")
    damaged = machine.harness("report", run.name)
    assert (damaged.returncode, damaged.stdout) == (65, "")
    assert FILE in damaged.stderr

    # The same run again, by other claims.
    stated = machine.harness(
        "reproduce", mbox, *HOW, "--no-claims", "--claim", "dax_pmem=10%", "--claim", "nd_pmem@1=9%"
    )
    assert claimed(stated) == {"nd_pmem": None, "dax_pmem": 10}
    none = machine.harness("measure", mbox, *HOW, "--no-claims")
    assert "no claims are used: --no-claims\n" in none.stderr
    assert load(folder(machine.harness("report", "--json"))) is not None


def test_a_claim_that_is_none_is_refused_before_anything_is_fetched(machine: FakeMachine) -> None:
    done = machine.harness("reproduce", "test", *HOW, "--claim", "nd_pmem=59.4")
    assert (done.returncode, done.stdout) == (2, "")
    assert "harness: --claim: 'nd_pmem=59.4' is not a claim; expected METRIC[@K]=P%" in done.stderr
    assert not machine.cache.repository.exists()
