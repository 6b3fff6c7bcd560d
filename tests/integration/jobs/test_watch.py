# SPDX-License-Identifier: GPL-2.0-only
"""The watch verb on a real repository's tags: each once, whatever dies in between."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import InputError, MachineError, RecordError
from harness.jobs import watch
from harness.jobs.watch import Round
from harness.jobs.watch_outcome import Visit, Watched
from tests.fakes.kernels import Kernels
from tests.fakes.trees import git

#: Notes that a trial began, takes its time, and then has a verdict.
SLOW = """
import sys, time
from pathlib import Path
from harness.host.cache import Cache
from harness.project.project import Project
from harness.jobs.watch_outcome import Visit
from harness.stages import watch

root, cache, state, begun = map(Path, sys.argv[1:])

def trial(tag):
    with begun.open("a") as log:
        log.write(tag + "\\n")
    time.sleep(0.1)
    return Visit(tag, "0" * 40, tag[1:], 0, "held", "")

with watch.held(state):
    known = watch.remembered(state, "test", "mine")
    watch.look(Project(root), Cache(cache), known, state, trial,
               named=("test", "mine"), later_than=None if known else "v7.2")
"""


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    return Kernels(tmp_path)


def good(tag: str) -> Visit:
    return Visit(tag, "0" * 40, tag[1:], 0, "held", "")


def look(kernels: Kernels, trial: watch.Trial = good, **more: str) -> Round:
    state = watch.place(kernels.project, "test", "mine")
    with watch.held(state):
        known = watch.remembered(state, "test", "mine")
        return watch.look(
            kernels.project, kernels.cache, known, state, trial, named=("test", "mine"), **more
        )


def tags(found: Round) -> list[str]:
    return [visit.tag for visit in found.visits]


def test_new_tags_are_visited_once_and_in_their_order(kernels: Kernels) -> None:
    assert tags(look(kernels)) == ["v7.2"]
    assert tags(look(kernels)) == []
    git(kernels.linux, "tag", "v7.3-rc2")
    git(kernels.linux, "tag", "-a", "-m", "annotated", "v7.3-rc1")
    git(kernels.linux, "tag", "next-20260101")
    assert tags(look(kernels)) == ["v7.3-rc1", "v7.3-rc2"]
    found = look(kernels)
    assert (tags(found), found.exit_code) == ([], 0)
    assert found.watched.last_good == good("v7.3-rc2")


def test_a_url_is_asked_as_well_as_a_path(kernels: Kernels) -> None:
    kernels.trees(mine=kernels.entry("v7.2", url=True))
    git(kernels.linux, "tag", "-a", "-m", "annotated", "v7.3-rc1")
    assert tags(look(kernels, later_than="v7.2")) == ["v7.3-rc1"]


def test_our_own_failure_is_no_visit_and_stops_no_other_tag(kernels: Kernels) -> None:
    for name in ("v7.3-rc1", "v7.3-rc2"):
        git(kernels.linux, "tag", name)

    def failing(tag: str) -> Visit:
        if tag == "v7.3-rc1":
            raise MachineError("no space")
        return good(tag)

    found = look(kernels, failing, later_than="v7.2")
    assert (tags(found), found.exit_code) == (["v7.3-rc2"], 69)
    assert [f.tag for f in found.failures] == ["v7.3-rc1"]
    assert tags(look(kernels)) == ["v7.3-rc1"]


def test_the_exit_code_is_the_worst_of_this_look(kernels: Kernels) -> None:
    for name in ("v7.3-rc1", "v7.3-rc2", "v7.3-rc3"):
        git(kernels.linux, "tag", name)
    codes = {"v7.3-rc1": 1, "v7.3-rc2": 3, "v7.3-rc3": 0}

    def trial(tag: str) -> Visit:
        return Visit(tag, "0" * 40, tag[1:], codes[tag], "check", "")

    found = look(kernels, trial, later_than="v7.2")
    assert found.exit_code == 3
    assert found.watched.last_good is not None
    assert found.watched.last_good.tag == "v7.3-rc3"
    assert look(kernels).exit_code == 0


def test_an_interruption_keeps_what_was_found(kernels: Kernels) -> None:
    for name in ("v7.3-rc1", "v7.3-rc2"):
        git(kernels.linux, "tag", name)

    def interrupted(tag: str) -> Visit:
        if tag == "v7.3-rc2":
            raise KeyboardInterrupt
        return good(tag)

    with pytest.raises(KeyboardInterrupt):
        look(kernels, interrupted, later_than="v7.2")
    assert tags(look(kernels)) == ["v7.3-rc2"]


def test_a_cleared_cache_makes_no_tag_new(kernels: Kernels) -> None:
    look(kernels)
    subprocess.run(["rm", "-rf", str(kernels.cache.root)], check=True)
    assert tags(look(kernels)) == []


def test_killed_at_any_moment_each_tag_has_one_verdict(kernels: Kernels, tmp_path: Path) -> None:
    names = [f"v7.3-rc{n}" for n in range(1, 7)]
    for name in names:
        git(kernels.linux, "tag", name)
    state, begun = watch.place(kernels.project, "test", "mine"), tmp_path / "begun"
    argv = [sys.executable, "-c", SLOW, kernels.project.root, kernels.cache.root, state, begun]
    lot = random.Random(7)
    kills = 0
    while True:
        process = subprocess.Popen(list(map(str, argv)), start_new_session=True)
        try:
            process.wait(timeout=0.3 + lot.random() if kills < 12 else 120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            # Whatever it had remembered can be read, and nothing stands in it twice.
            if state.exists():
                kept = watch.remembered(state, "test", "mine")
                assert kept is not None
                assert len({v.tag for v in kept.visits}) == len(kept.visits)
            continue
        assert process.returncode == 0
        break
    assert kills > 0
    kept = watch.remembered(state, "test", "mine")
    assert kept is not None
    assert [v.tag for v in kept.visits] == names
    # What had its verdict was never begun again: at most one more beginning a kill.
    assert len(begun.read_text().split()) <= len(names) + kills
    assert tags(look(kernels)) == []


def test_two_watches_do_not_try_the_same_tag(kernels: Kernels) -> None:
    state = watch.place(kernels.project, "test", "mine")
    with watch.held(state):
        done = kernels.harness("watch", "test", "--tree", "mine")
    assert done.returncode == 69
    assert "is being watched by another process" in done.stderr


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("{", RecordError, "cannot be read"),
        ('{"tree": "mine", "slug": "test", "schema": 9}', RecordError, "newer harness"),
        ('{"tree": "other", "slug": "test"}', InputError, "is of test on other"),
        ('{"tree": "mine", "slug": "test", "seen": []}', RecordError, "cannot be read"),
    ],
)
def test_a_memory_that_cannot_be_read_is_never_taken_for_none(
    kernels: Kernels, text: str, error: type[Exception], said: str
) -> None:
    state = watch.place(kernels.project, "test", "mine")
    state.parent.mkdir(parents=True)
    state.write_text(text)
    with pytest.raises(error, match=said):
        look(kernels)
    assert state.read_text() == text


def test_a_conflict_is_a_verdict_a_line_and_leaves_no_worktree(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {30: "\ttheirs 30;"})
    done = kernels.harness("watch", "test", "--tree", "mine", "--check")
    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == (
        "v7.3-rc1  failed in rebase: patch 1/3 (mm/zone: ours, early) meets mm/zone.c"
    )
    assert "last good: none yet" in done.stdout
    assert not list((kernels.cache.root / "rebase").glob("*"))
    again = kernels.harness("watch", "test", "--tree", "mine", "--check", "--json")
    assert again.returncode == 0
    said = json.loads(again.stdout)
    assert (said["visits"], said["failures"], said["last_good"]) == ([], [], None)
    kept = watch.remembered(Path(said["state"]), "test", "mine")
    assert isinstance(kept, Watched)
    assert kept.visits[0].exit_code == 3


def test_a_tree_that_does_not_build_is_a_verdict_too(kernels: Kernels) -> None:
    (kernels.linux / "knobs.mk").write_text("FAIL := mm/mm_init.o\n")
    kernels.release("v7.3-rc1", {115: "\ttheirs;"})
    (kernels.project.configs / "kconfig").mkdir()
    (kernels.project.configs / "plans").mkdir()
    (kernels.project.configs / "plans" / "reproduce.yaml").write_text(
        "{description: d, guest: g, rebinds: 1, kconfig: []}\n"
    )
    done = kernels.harness("watch", "test", "--tree", "mine", "--check")
    assert done.returncode == 3, done.stderr
    assert "v7.3-rc1  failed in compile: mm/mm_init.o does not build" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tree", "nonesuch"], "no tree 'nonesuch'; expected one of mine"),
        (["--since", "v9.9"], "--since: no tag 'v9.9'; expected a tag of mine, like v7.2"),
        (["--follow", "--every", "0s"], "'0s' is no time; expected like 90s"),
        (["--every", "soon"], "'soon' is no time"),
        (["--state", "/"], "--state"),
        (["--gate", "order0.ratio"], "is no rule; expected KIND"),
        (["--gate", "nd_pmem.ratio<1"], "nd_pmem.ratio<1 wants boots; expected --reproduce"),
        (["--check", "--gate", "order0.ratio<1"], "order0.ratio<1 wants times"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    kernels: Kernels, arguments: list[str], said: str
) -> None:
    done = kernels.harness("watch", "test", "--tree", "mine", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tarball_has_no_tags(kernels: Kernels) -> None:
    kernels.trees(mine={"provider": "tarball", "location": "x.tar", "sha256": "a" * 64})
    with pytest.raises(InputError, match="is a tarball, which has no tags"):
        look(kernels)


def test_following_looks_again_and_ends_when_it_is_told_to(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {30: "\ttheirs 30;"})
    argv = [sys.executable, "-c", "from harness.cli import main; main()", "watch", "test"]
    argv += ["--tree", "mine", "--check", "--follow", "--every", "1s"]
    env = os.environ | kernels.environment
    process = subprocess.Popen(
        argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    state = watch.place(kernels.project, "test", "mine")

    def wait_for(tag: str) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if state.exists() and f'"{tag}"' in state.read_text() and "visits" in state.read_text():
                return
            time.sleep(0.2)
        pytest.fail(f"{tag} was never visited")

    try:
        wait_for("v7.3-rc1")
        kernels.release("v7.3-rc2", {115: "\tlater;"})
        wait_for("v7.3-rc2")
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert [line.split()[0] for line in out.splitlines() if line.startswith("v7.3")] == [
        "v7.3-rc1",
        "v7.3-rc2",
    ]
