# SPDX-License-Identifier: GPL-2.0-only
"""`harness watch` on the tags of a real repository: each is tried once, also if it is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import msgspec
import pytest

from harness.errors import InputError, MachineError
from harness.jobs import watch
from harness.jobs.trial import TrialRequest, Visit
from harness.jobs.watch import Failure
from harness.replay.timing.schedule import Schedule
from tests.fakes.kernels import Kernels
from tests.fakes.trees import git

#: Notes that a trial began, takes its time, and then has a result.
SLOW = """
import sys, time
from pathlib import Path
from harness.host.cache import Cache
from harness.project.project import Project
from harness.jobs import watch
from harness.jobs.trial import TrialRequest, Visit
from harness.replay.timing.schedule import Schedule

root, cache, begun = map(Path, sys.argv[1:])

def trial(project, cache, wanted, tag, tree, listen):
    with begun.open("a") as log:
        log.write(tag + "\\n")
    time.sleep(0.1)
    return Visit(tag, "0" * 40, tag[1:], 0, "held", "")

watch.trial = trial
wanted = TrialRequest("test", Schedule(1 << 30, 1, 1, 1))
list(watch.look(Project(root), Cache(cache), wanted, "mine", "v7.2"))
"""
WANTED = TrialRequest("test", Schedule(1 << 30, 1, 1, 1))


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    return Kernels(tmp_path)


def good(tag: str) -> Visit:
    return Visit(tag, "0" * 40, tag[1:], 0, "held", "")


def look(
    kernels: Kernels, trial: Callable[[str], Visit] = good, since: str | None = None
) -> list[Visit | Failure]:
    """Look once, with a trial that is given the tag alone."""

    def of_tag(*arguments: object) -> Visit:
        tag, tree = arguments[3:5]
        assert tree == f"mine@{tag}"
        return trial(str(tag))

    with mock.patch.object(watch, "trial", of_tag):
        return list(watch.look(kernels.project, kernels.cache, WANTED, "mine", since))


def tags(found: list[Visit | Failure]) -> list[str]:
    return [one.tag for one in found if isinstance(one, Visit)]


def stored(kernels: Kernels) -> Path:
    return watch.folder_of(kernels.project, "test", "mine")


def test_new_tags_are_visited_once_and_in_their_order(kernels: Kernels) -> None:
    assert tags(look(kernels)) == ["v7.2"]
    assert tags(look(kernels)) == []
    git(kernels.linux, "tag", "v7.3-rc2")
    git(kernels.linux, "tag", "-a", "-m", "annotated", "v7.3-rc1")
    git(kernels.linux, "tag", "next-20260101")
    assert tags(look(kernels)) == ["v7.3-rc1", "v7.3-rc2"]
    assert look(kernels) == []
    assert watch.last_good(stored(kernels)) == good("v7.3-rc2")


def test_the_first_look_takes_the_newest_tag_or_all_that_are_later_than_one(
    kernels: Kernels,
) -> None:
    for name in ("v7.2.13", "v7.3-rc1", "v7.2.9", "v7.1"):
        git(kernels.linux, "tag", name)
    assert tags(look(kernels)) == ["v7.3-rc1"]
    assert tags(look(kernels)) == []
    # What was skipped can still be asked for; what was tried is not tried again.
    assert tags(look(kernels, since="v7.2")) == ["v7.2.9", "v7.2.13"]
    assert tags(look(kernels, since="v7.1")) == ["v7.2"]


def test_a_stable_release_made_after_the_next_ones_candidate_is_new(kernels: Kernels) -> None:
    git(kernels.linux, "tag", "v7.3-rc1")
    assert tags(look(kernels)) == ["v7.3-rc1"]
    git(kernels.linux, "tag", "v7.2.1")
    assert tags(look(kernels)) == ["v7.2.1"]


def test_without_a_tag_nothing_is_tried_and_the_first_one_is_new(kernels: Kernels) -> None:
    git(kernels.linux, "tag", "-d", "v7.2")
    assert look(kernels) == []
    with pytest.raises(InputError, match=r"no tag 'v7\.2'; expected no --since"):
        look(kernels, since="v7.2")
    git(kernels.linux, "tag", "v7.1")
    git(kernels.linux, "tag", "v7.2")
    assert tags(look(kernels)) == ["v7.1", "v7.2"]


def test_the_last_good_one_is_the_latest_release_not_the_latest_visit(kernels: Kernels) -> None:
    assert watch.last_good(stored(kernels)) is None
    git(kernels.linux, "tag", "v7.3-rc1")
    look(kernels)
    git(kernels.linux, "tag", "v7.2.1")
    git(kernels.linux, "tag", "v7.3-rc2")
    look(
        kernels,
        lambda tag: msgspec.structs.replace(good(tag), exit_code=3 if tag == "v7.3-rc2" else 0),
    )
    assert watch.last_good(stored(kernels)) == good("v7.3-rc1")


def test_a_tag_whose_file_is_removed_is_tried_again(kernels: Kernels) -> None:
    assert tags(look(kernels)) == ["v7.2"]
    (stored(kernels) / "v7.2.json").unlink()
    assert tags(look(kernels)) == ["v7.2"]


def test_a_url_is_asked_as_well_as_a_path(kernels: Kernels) -> None:
    kernels.trees(mine=kernels.entry("v7.2", url=True))
    git(kernels.linux, "tag", "-a", "-m", "annotated", "v7.3-rc1")
    assert tags(look(kernels, since="v7.2")) == ["v7.3-rc1"]


def test_the_tags_of_a_clone_are_tried(kernels: Kernels) -> None:
    kernels.trees()
    tried = []

    def of_tag(*arguments: object) -> Visit:
        tried.append(arguments[4])
        return good(str(arguments[3]))

    for tree in (str(kernels.linux), f"{kernels.linux}@main"):
        with mock.patch.object(watch, "trial", of_tag):
            list(watch.look(kernels.project, kernels.cache, WANTED, tree))
    assert tried == [f"{kernels.linux}@v7.2"]
    folder = watch.folder_of(kernels.project, "test", str(kernels.linux))
    assert (folder.name, watch.last_good(folder)) == ("watch-linux", good("v7.2"))


def test_a_failure_of_this_machine_is_no_visit_and_stops_no_other_tag(kernels: Kernels) -> None:
    for name in ("v7.3-rc1", "v7.3-rc2"):
        git(kernels.linux, "tag", name)

    def failing(tag: str) -> Visit:
        if tag == "v7.3-rc1":
            raise MachineError("no space")
        return good(tag)

    found = look(kernels, failing, since="v7.2")
    assert found == [Failure("v7.3-rc1", "no space", 69), good("v7.3-rc2")]
    assert tags(look(kernels)) == ["v7.3-rc1"]


def test_an_interruption_leaves_what_was_found(kernels: Kernels) -> None:
    for name in ("v7.3-rc1", "v7.3-rc2"):
        git(kernels.linux, "tag", name)

    def interrupted(tag: str) -> Visit:
        if tag == "v7.3-rc2":
            raise KeyboardInterrupt
        return good(tag)

    with pytest.raises(KeyboardInterrupt):
        look(kernels, interrupted, since="v7.2")
    assert tags(look(kernels)) == ["v7.3-rc2"]


def test_a_cleared_cache_makes_no_tag_new(kernels: Kernels) -> None:
    look(kernels)
    subprocess.run(["rm", "-rf", str(kernels.cache.root)], check=True)
    assert tags(look(kernels)) == []


def test_each_tag_has_one_visit_after_any_kills(kernels: Kernels, tmp_path: Path) -> None:
    names = [f"v7.3-rc{n}" for n in range(1, 7)]
    for name in names:
        git(kernels.linux, "tag", name)
    begun = tmp_path / "begun"
    argv = [sys.executable, "-c", SLOW, kernels.project.root, kernels.cache.root, begun]
    chance = random.Random(7)
    kills = 0
    while True:
        process = subprocess.Popen(list(map(str, argv)), start_new_session=True)
        try:
            process.wait(timeout=0.3 + chance.random() if kills < 12 else 120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            # What was stored can be read.
            watch.last_good(stored(kernels))
            continue
        assert process.returncode == 0
        break
    assert kills > 0
    assert {path.stem for path in stored(kernels).glob("v*.json")} == set(names)
    # No stored tag was tried again: at most one more trial per kill.
    assert len(begun.read_text().split()) <= len(names) + kills
    assert tags(look(kernels)) == []


@contextmanager
def being_watched(kernels: Kernels) -> Iterator[None]:
    """Hold the lock as a look does that is trying a tag."""

    with mock.patch.object(watch, "trial", lambda *_: good("v7.2")):
        looking = watch.look(kernels.project, kernels.cache, WANTED, "mine")
        next(looking)
        yield
        looking.close()


def test_two_watches_do_not_try_the_same_tag(kernels: Kernels) -> None:
    with being_watched(kernels):
        done = kernels.harness("watch", "test", "--tree", "mine")
    assert done.returncode == 69
    assert "another process is trying tags of this tree" in done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v7.2.json", "{"),
        ("v7.2.json", '{"tag": "v7.2"}'),
        ("skipped.json", ""),
        ("skipped.json", '{"v7.1": 1}'),
        ("skipped.json", "[1]"),
    ],
)
def test_a_damaged_file_is_never_taken_for_none(kernels: Kernels, name: str, text: str) -> None:
    look(kernels)
    file = stored(kernels) / name
    file.write_text(text)
    done = kernels.harness("watch", "test", "--tree", "mine", "--check")
    assert done.returncode == 65
    assert f"{file}: cannot be read" in done.stderr
    assert file.read_text() == text


def test_a_place_that_cannot_be_written_is_named(kernels: Kernels) -> None:
    stored(kernels).parent.mkdir(parents=True)
    stored(kernels).write_text("a file")
    with pytest.raises(MachineError, match="cannot be written"):
        look(kernels)


def test_a_conflict_is_a_visit_on_one_line_and_leaves_no_worktree(kernels: Kernels) -> None:
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
    message = json.loads(again.stdout)
    assert (message["visits"], message["failures"], message["last_good"]) == ([], [], None)
    visit = json.loads((Path(message["folder"]) / "v7.3-rc1.json").read_text())
    assert visit["exit_code"] == 3


def test_a_tree_that_does_not_build_is_a_visit_too(kernels: Kernels) -> None:
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
    ("arguments", "message"),
    [
        (["--tree", "nonesuch"], "no tree 'nonesuch'; expected one of mine"),
        (["--since", "v9.9"], "--since: no tag 'v9.9'; expected a tag of mine, like v7.2"),
        (["--follow", "--every", "0s"], "--every: no pause at all"),
        (["--every", "soon"], "--every: 'soon' is not a duration"),
        (["--gate", "order0.ratio"], "is not a rule; expected KIND"),
        (["--gate", "nd_pmem.ratio<1"], "nd_pmem.ratio<1 needs boots; expected --reproduce"),
        (["--check", "--gate", "order0.ratio<1"], "order0.ratio<1 needs times"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    kernels: Kernels, arguments: list[str], message: str
) -> None:
    done = kernels.harness("watch", "test", "--tree", "mine", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tarball_has_no_tags(kernels: Kernels) -> None:
    kernels.trees(mine={"provider": "tarball", "location": "x.tar", "sha256": "a" * 64})
    with pytest.raises(InputError, match="is a tarball, which has no tags"):
        look(kernels)


def test_following_looks_again_and_ends_when_interrupted(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {30: "\ttheirs 30;"})
    argv = [sys.executable, "-c", "from harness.cli import main; main()", "watch", "test"]
    argv += ["--tree", "mine", "--check", "--follow", "--every", "1s"]
    env = os.environ | kernels.environment
    process = subprocess.Popen(
        argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    def wait_for(tag: str) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if (stored(kernels) / f"{tag}.json").exists():
                return
            time.sleep(0.2)
        pytest.fail(f"{tag} was never tried")

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
