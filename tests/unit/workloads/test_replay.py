# SPDX-License-Identifier: GPL-2.0-only
"""What a workload says of its replay fits together; one without a replay is refused in one line."""

import importlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import workloads
from harness.cli import cli
from harness.errors import Unsupported
from harness.jobs import reproduce
from harness.project.project import Project
from harness.replay.prepare import replay_of
from harness.replay.program import link
from harness.workloads.replay import PARTS, Replay, some_cases
from harness.workloads.zone_device import ZoneDevice

REPLAYS = [found for name in workloads.NAMES if (found := workloads.find(name).replay)]
replays = pytest.mark.parametrize("replay", REPLAYS, ids=lambda replay: replay.function)
PAGES = 1 << 15


@pytest.mark.parametrize("name", workloads.NAMES)
def test_what_is_a_proxy_for_a_metric_is_timed(name: str) -> None:
    found = workloads.find(name)
    assert set(found.proxies) <= set(found.metrics)
    assert set(found.proxies.values()) <= set(found.replay.kinds if found.replay else ())


@replays
def test_its_calls_are_of_its_kinds(replay: Replay) -> None:
    assert set(replay.stepped) == set(replay.counted) == set(replay.kinds)
    for kind in replay.kinds:
        case = replay.of_pages(kind, PAGES)
        assert (case.nr, case.nr_pages) == (PAGES, PAGES)
        whole = replay.of_size(kind, PAGES * link.PAGE)
        assert 0 < whole.nr_pages <= whole.nr == PAGES


@replays
def test_the_parts_that_are_counted_are_whole_compound_pages(replay: Replay) -> None:
    for case in replay.counted.values():
        assert case.nr == case.nr_pages
        assert case.nr % (PARTS << case.shift) == 0


@replays
def test_only_cases_of_traceable_objects_are_traced(replay: Replay) -> None:
    assert not any(case.traced for case in some_cases(replay, 200, 1))
    assert any(case.traced for case in some_cases(replay, 200, 1, traceable=True))


@replays
def test_every_case_runs_on_a_kernel_with_few_nodes(replay: Replay) -> None:
    for case in some_cases(replay, 200, 1):
        assert "nid=0 " in case.on_nodes(1).line()
        assert case.on_nodes(1 << 10) == case


@replays
def test_its_files_are_those_of_the_interface(replay: Replay) -> None:
    names = {file.name for file in replay.shim.iterdir() if file.is_file()}
    assert {"case.h", link.KERNEL_SIDE} < names
    both = [file.name for file in link.sources(replay.shim)]
    assert len(set(both)) == len(both), "-I finds one of two files with the same name"
    text = "".join(file.read_text() for file in replay.shim.glob("*.c"))
    for name in ("replay_describe", "replay_prepare", "replay_run", "replay_room", *replay.readers):
        assert re.search(rf"\b{name}\(", text), name


def test_a_workload_without_a_replay_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ZoneDevice, "replay", None)
    refused = r"memcpy-streaming: memmap_init_zone_device\(\) has no replay in workload zone_device"
    with pytest.raises(Unsupported, match=refused):
        replay_of(Project.find().series("memcpy-streaming"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for words in ("check", "check --case generic", "count"):
        with pytest.raises(Unsupported, match=refused):
            cli.main(["replay", *words.split()], standalone_mode=False)


def test_reproduce_only_boots_a_series_without_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(reproduce, "reproduce", lambda *words: given.append(words[-1]))
    command: Any = importlib.import_module("harness.cli.commands.reproduce")
    options = SimpleNamespace(no_boot=False, no_replay=False, each_patch=False)
    for slug in ("hugepage-alloc-threads", "deferred-init-template"):
        wanted = SimpleNamespace(slug=slug)
        command._Reproduction(Project.find(), None, options, wanted, None).measured(None)
    assert [replayer is None for replayer in given] == [True, False]
