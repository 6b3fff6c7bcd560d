# SPDX-License-Identifier: GPL-2.0-only
"""git bisect over a fake kernel's history: the walk itself, and whether a series still applies.

What a replay answers is tried on a real kernel's object, in tests/boot.
"""

import json
import os
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.git.bisect import Bisect, Word
from harness.git.git import ForeignGit
from harness.host.processes import process
from harness.jobs.bisect.bisect import BisectRequest, bisect
from harness.replay.timing.schedule import Schedule
from harness.trees import git_source, tree
from tests.fakes.kernels import Kernels
from tests.fakes.trees import everything, git


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A repository with 24 commits in a row, and their ids, oldest first."""
    folder = tmp_path_factory.mktemp("line") / "linux"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for number in range(24):
        (folder / "file").write_text(f"{number}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", f"commit {number}")
    return folder, git(folder, "rev-list", "--reverse", "HEAD").split()


def walk(line: tuple[Path, list[str]], into: Path, first_bad: int, broken: set[int]) -> object:
    folder, commits = line
    theirs = ForeignGit(folder, log=into.with_suffix(".log"), deadline=process.Deadline(60))
    bisect = Bisect(into, theirs, log=into.with_suffix(".log"), deadline=process.Deadline(60))
    state = bisect.start(commits[0], commits[-1])
    judged = 0
    while state.next is not None:
        at = commits.index(state.next)
        word: Word = "skip" if at in broken else "bad" if at >= first_bad else "good"
        state = bisect.say(word, state.next)
        judged += 1
        assert judged <= len(commits)
    if state.first_bad is not None:
        return commits.index(state.first_bad)
    return {commits.index(commit) for commit in state.may_be}


@given(st.integers(1, 23), st.sets(st.integers(1, 22), max_size=6))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_bad_commit_is_found_or_hidden_by_skipped_ones_alone(
    line: tuple[Path, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
    first_bad: int,
    broken: set[int],
) -> None:
    found = walk(line, tmp_path_factory.mktemp("walk") / "bisect.git", first_bad, broken)
    if isinstance(found, int):
        assert found == first_bad
    else:
        assert isinstance(found, set)
        assert first_bad in found
        # All but the last of them could not be judged.
        assert len(found - broken) == 1


def test_the_users_repository_is_only_read(line: tuple[Path, list[str]], tmp_path: Path) -> None:
    before = sorted(str(p) for p in line[0].rglob("*"))
    assert walk(line, tmp_path / "bisect.git", 7, set()) == 7
    assert sorted(str(p) for p in line[0].rglob("*")) == before


def test_ends_the_wrong_way_round_are_refused(line: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, commits = line
    log, deadline = tmp_path / "log", process.Deadline(60)
    bisect = Bisect(
        tmp_path / "b.git",
        ForeignGit(folder, log=log, deadline=deadline),
        log=log,
        deadline=deadline,
    )
    with pytest.raises(InputError, match="one history, the good one first"):
        bisect.start(commits[5], commits[2])


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    made = Kernels(tmp_path)
    (made.project.configs / "plans").mkdir()
    (made.project.configs / "plans" / "reproduce.yaml").write_text(
        "{description: d, guest: g, rebinds: 1, kconfig: []}\n"
    )
    return made


APPLIES = ("--applies", "--series", "test")


def test_the_commit_on_which_a_series_stops_applying_is_found(kernels: Kernels) -> None:
    others = [{n: f"\ttheirs {n};"} for n in (3, 5, 7, 9)]
    kernels.release("v7.3-rc1", *others[:2], {30: "\ttheirs 30;"}, *others[2:])
    done = kernels.harness("bisect", "v7.2", "v7.3-rc1", "--tree", "mine", *APPLIES, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["first_bad"]["subject"] == "mm/zone: theirs 3 for v7.3-rc1"
    assert found["first_bad"]["files"] == ["mm/zone.c"]
    assert found["between"] == 6
    assert len(found["judged"]) <= 5
    assert {one["word"] for one in found["judged"]} == {"good", "bad"}
    assert "git bisect start" in found["log"]


@pytest.mark.parametrize("kind", ["repository", "packed", "partial"])
def test_the_users_repository_is_unchanged_to_the_byte(kernels: Kernels, kind: str) -> None:
    kernels.release("v7.3-rc1", {5: "\ttheirs 5;"}, {30: "\ttheirs 30;"}, {7: "\ttheirs 7;"})
    users = kernels.linux
    if kind == "packed":
        git(users, "gc", "-q")
    elif kind == "partial":
        users = kernels.linux.parent / "partial"
        git(kernels.linux, "config", "uploadpack.allowFilter", "true")
        how = ("--filter=blob:none", kernels.linux.as_uri(), str(users))
        git(kernels.linux.parent, "clone", "-q", *how)
    # Work in progress: staged, not staged, new, and a file that git would look at again.
    (users / "Makefile").write_text("staged\n")
    git(users, "add", "Makefile")
    (users / "Kconfig").write_text("not staged\n")
    (users / "new").write_text("new\n")
    (users / "mm" / "zone.c").touch()
    kernels.trees(mine=kernels.entry("v7.2") | {"repository": str(users)})
    before = everything(users)
    stored = tree.fetch(kernels.project, kernels.cache, "mine")
    with tree.checked_out(kernels.cache, stored, stored.commit) as folder:
        assert (folder / "Makefile").read_text() != "staged\n"
        (folder / "Makefile").write_text("edited\n")
        assert everything(users) == before
        git(folder, "commit", "-qam", "a commit on the worktree")
    ends = ("v7.2", "v7.3-rc1", "--tree", "mine")
    done = kernels.harness("bisect", *ends, *APPLIES, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["first_bad"]["subject"].startswith("mm/zone: theirs 2")
    after = everything(users)
    # Where git would write an object that the repository has, it sets that file's time instead.
    for path, (_, time, content) in before.items():
        if content and path.startswith(str(users / ".git" / "objects")):
            after[path] = (after[path][0], time, after[path][2])
    assert after == before


def test_a_tree_can_be_a_path_and_the_output_lists_the_judged_commits(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {3: "\tx;"}, {30: "\ttheirs 30;"})
    path = str(kernels.linux)
    done = kernels.harness("bisect", "v7.2", "v7.3-rc1", "--tree", path, *APPLIES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("bad if test does not apply\n")
    assert "patch 1/3 (mm/zone: ours, early) does not apply" in done.stdout
    assert done.stdout.rstrip().endswith("    mm/zone.c")


def test_a_clone_has_the_history_that_a_url_does_not_give(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {3: "\tx;"}, {30: "\ttheirs 30;"})
    kernels.trees(far=kernels.entry("main", url=True))
    users = kernels.linux.parent / "users"
    git(kernels.linux.parent, "clone", "-q", kernels.linux.as_uri(), str(users))
    settings = kernels.linux.parent / "settings"
    settings.mkdir()
    (settings / "memmap-harness.yaml").write_text(f"repositories: [{str(users)!r}]\n")
    argv = ("bisect", "v7.2", "v7.3-rc1", "--tree", "far", *APPLIES)
    with mock.patch.dict(os.environ, XDG_CONFIG_HOME=str(settings)):
        done = kernels.harness(*argv)
    assert done.returncode == 0, done.stderr
    assert f"main is taken from {users} (origin/main)" in done.stderr
    assert "patch 1/3 (mm/zone: ours, early) does not apply" in done.stdout


def test_a_good_end_given_as_bad_is_bad_input(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {3: "\tx;"})
    done = kernels.harness("bisect", "v7.2", "v7.3-rc1", "--tree", "mine", *APPLIES)
    assert done.returncode == 2
    assert "v7.3-rc1: is good: 3 plain; expected bad" in done.stderr


def test_commits_that_do_not_build_are_skipped(kernels: Kernels) -> None:
    (kernels.linux / "knobs.mk").write_text("FAIL := mm/mm_init.o\n")
    kernels.commit("broken")
    git(kernels.linux, "tag", "-f", "v7.2")
    kernels.release("v7.3-rc1", {3: "\tx;"})
    argv = ("--tree", "mine", "--memmap", "--series", "test")
    done = kernels.harness("bisect", "v7.2", "v7.3-rc1", *argv)
    assert done.returncode == 2
    assert "v7.2: is skip: mm/mm_init.o does not build" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tree", "mine"], "expected one of them"),
        (["--tree", "mine", "--memmap", "--applies"], "expected one of them"),
        (["--tree", "mine", "--gate", "order0.ratio"], "is not a rule; expected KIND"),
        (["--tree", "mine", "--gate", "nd_pmem.rebind.ratio<1"], "cannot be bisected by"),
        (["--tree", "mine", "--gate", "order0.ms<1"], "cannot be bisected by"),
        (["--tree", "nonesuch", "--memmap"], "nonesuch is not a git repository on this machine"),
        (["--tree", "far", "--memmap"], "far is not a git repository on this machine"),
        (["--tree", "mine", "--memmap", "--size", "1M"], "not a multiple of the kernel's section"),
        (["--memmap"], "--repo: is missing"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    kernels: Kernels, arguments: list[str], message: str
) -> None:
    kernels.trees(mine=kernels.entry("v7.2"), far=kernels.entry("v7.2", url=True))
    done = kernels.harness("bisect", "v7.2", "v7.2", *arguments, "--series", "test")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_trees_are_locked_while_the_ends_are_looked_up(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Seen(Exception):
        pass

    def looked_up(*_arguments: object) -> None:
        with kernels.cache.free("trees") as is_free:
            assert not is_free
        raise Seen

    monkeypatch.setattr(git_source, "commit_of", looked_up)
    schedule = Schedule(size_bytes=1 << 30, rounds=1, passes=1, seed=1)
    wanted = BisectRequest("test", "v7.2", "v7.2", "mine", schedule, applies=True)
    with pytest.raises(Seen):
        bisect(kernels.project, kernels.cache, wanted)


def test_an_unknown_name_is_named(kernels: Kernels) -> None:
    done = kernels.harness("bisect", "v7.2", "v7.9", "--tree", "mine", *APPLIES)
    assert done.returncode == 2
    assert "no ref 'v7.9'" in done.stderr
