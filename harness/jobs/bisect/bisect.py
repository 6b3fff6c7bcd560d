# SPDX-License-Identifier: GPL-2.0-only
"""Bisects a tree's history with git; a replay judges each commit in seconds.

Per commit one object is compiled, with a series two; nothing is booted. The user's repository is
only read. `git bisect run` would not be simpler: the judge would be another process per commit,
to which the request, progress, errors and the good commit's program would have to be handed.
"""

from collections import Counter
from pathlib import Path

import msgspec

from harness.errors import DoesNotBuild, InputError
from harness.events import Began, Ended, Listener, silent
from harness.git.bisect import Bisect, Word
from harness.git.git import ForeignGit
from harness.git.repository import CachedTrees
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.jobs.bisect import predicates
from harness.jobs.bisect.outcome import Bisected, FoundCommit, Judged
from harness.jobs.bisect.predicates import CommitAnswer, Question
from harness.judge.rule_syntax import Rule
from harness.kernel import configure
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.series import Series
from harness.project.tree_source import GitSource
from harness.replay import prepare
from harness.replay.program import objects
from harness.replay.program.link import Unprovided
from harness.replay.runner.runner import Runner, Trapped
from harness.replay.timing.schedule import Schedule
from harness.series import ports
from harness.series.bases import base as origin
from harness.series.rebase import rebase
from harness.series.source import Source
from harness.trees import clones, git_source, names, release_of_tree
from harness.workloads.replay import some_cases

GIT_S = 4 * 3600


class BisectRequest(msgspec.Struct, frozen=True):
    """The commits `good` and `bad` of a tree (an entry of configs/trees.yaml, or a path).

    A commit is bad if it breaks `rule` or, if that is None, leaves other struct pages. If
    `with_series`, each commit is compared with the series on it; `applies` asks only if it applies.
    """

    slug: str
    good: str
    bad: str
    tree: str
    schedule: Schedule
    rule: Rule | None = None
    with_series: bool = False
    applies: bool = False
    source: Source | None = None
    paths: tuple[str, ...] = ()
    plan: str = "reproduce"
    compiler: str = "gcc"
    cases: int = 100


def bisect(
    project: Project, cache: Cache, wanted: BisectRequest, listen: Listener = silent
) -> Bisected:
    """Return the first bad commit, or what it may be. Raises InputError, MachineError."""
    judge = _Judge(project, cache, wanted, listen)
    with cache.staging() as work:
        bisection = Bisect(
            work / "bisect.git", judge.repository, log=judge.log, deadline=Deadline(GIT_S)
        )
        between = bisection.count(judge.good, judge.bad)
        state = bisection.start(judge.good, judge.bad, wanted.paths)
        judged = [judge.require(judge.good, "good"), judge.require(judge.bad, "bad")]
        while state.next is not None:
            left = "" if state.left is None else f", {state.left} left after it"
            listen(Began(f"judge {state.next[:12]}{left}"))
            one = judge.judge(state.next)
            listen(Ended(f"{one.commit[:12]} is {one.word}: {one.detail}"))
            judged.append(one)
            state = bisection.say(one.word, one.commit)
        log = bisection.log()
    return Bisected(
        good=judge.good,
        bad=judge.bad,
        question=judge.question,
        between=between,
        judged=tuple(judged),
        first_bad=None if state.first_bad is None else judge.found(state.first_bad),
        may_be=tuple(judge.found(commit) for commit in state.may_be),
        log=log,
    )


class _Judge:
    """Judges commits: what all of them have in common, set up once."""

    def __init__(
        self, project: Project, cache: Cache, wanted: BisectRequest, listen: Listener
    ) -> None:
        self._project, self._cache, self._wanted, self._listen = project, cache, wanted, listen
        self.log = cache.log("bisect")
        load = project.series if wanted.applies else project.measurable_series
        self._series = load(wanted.slug)
        self.question = _text(wanted, self._series)
        source = _source(project, wanted.tree, self.log, listen)
        self.repository = _opened(project, source, self.log)
        trees = CachedTrees(cache, log=self.log, deadline=Deadline(GIT_S))
        self._cached = trees.git
        ends = (msgspec.structs.replace(source, ref=name) for name in (wanted.good, wanted.bad))
        with cache.locked("trees"):
            trees.create()
            self.good, self.bad = (
                git_source.commit_of(trees.git, project.root, end, listen)[0] for end in ends
            )
        self._how = configure.recipe(
            project, project.plan(wanted.plan).kconfig, compiler=wanted.compiler
        )
        self._entry = wanted.tree if names.is_entry(project, wanted.tree) else "bisected"
        self._origin = self._find_origin() if wanted.with_series or wanted.applies else None

    def require(self, commit: str, word: Word) -> Judged:
        """Judge an end, which must be `word`. Raises InputError if it is not."""
        self._listen(Began(f"judge the {word} end, {commit[:12]}"))
        found = self.judge(commit)
        self._listen(Ended(f"{commit[:12]} is {found.word}: {found.detail}"))
        if found.word != word:
            raise InputError(
                f"is {found.word}: {found.detail}",
                where=self._wanted.good if word == "good" else self._wanted.bad,
                expected=f"{word}; bad if {self.question}",
            )
        return found

    def judge(self, commit: str) -> Judged:
        """Judge a commit; skip one that does not build or run. Raises InputError, MachineError."""
        try:
            with self._cache.locked("trees"):
                git_source.complete(self._cached, self.repository, commit, commit[:12])
            answer = self._answer(commit)
        except (DoesNotBuild, Unprovided, Trapped) as error:
            answer = CommitAnswer("skip", str(error))
        subject = self.repository("show", "--no-patch", "--format=%s", commit).stdout.strip()
        return Judged(commit, subject, answer.word, answer.detail)

    def found(self, commit: str) -> FoundCommit:
        """Return a commit with its author, date and files."""
        form = ("--format=%s%n%an <%ae>%n%as", "--name-only")
        beside = git_source.with_objects_of(self._cached)
        shown = self.repository("show", *form, commit, env=beside).stdout
        subject, author, date, *files = shown.split("\n")
        return FoundCommit(commit, subject, author, date, tuple(filter(None, files)))

    def _answer(self, commit: str) -> CommitAnswer:
        if self._origin is None:
            return self._compared(self.good, commit)
        state = rebase.attempt(
            self._project, self._cache, self._wanted.slug, self._origin, self._tree(commit)
        )
        conflict = state.conflict
        if conflict is not None:
            reason = f"patch {conflict.number}/{conflict.total} ({conflict.subject}) does not apply"
            return CommitAnswer("bad" if self._wanted.applies else "skip", reason)
        if self._wanted.applies:
            how = Counter(step.how for step in state.steps)
            return CommitAnswer("good", ", ".join(f"{count} {word}" for word, count in how.items()))
        return self._compared(commit, state.head)

    def _compared(self, base: str, build: str) -> CommitAnswer:
        """Compile two commits and judge the second one beside the first."""
        # All of them share one O= folder, which nothing else uses.
        place = Tree(self._entry, base, f"bisect-{self._entry}", "git")
        wanted = [objects.Wanted(commit, commit[:12]) for commit in (base, build)]
        series, replay = self._series, prepare.replay_of(self._series)
        first, second = objects.programs(
            self._cache, place, wanted, self._how, series.object, replay, self._listen
        )
        return _question(prepare.make_runner(self._cache, series), self._wanted)(first, second)

    def _tree(self, commit: str) -> Tree:
        text = self._cached("show", f"{commit}:Makefile", ok=None).stdout
        return Tree(self._entry, commit, release_of_tree.release(text) or "unknown", "git")

    def _find_origin(self) -> origin.SeriesCommits:
        wanted = self._wanted
        source = wanted.source or ports.nearest(self._project, wanted.slug, self._tree(self.good))
        return origin.find(
            self._project,
            self._cache,
            wanted.slug,
            source,
            self._listen,
            beside=self._wanted.tree,
            fetch=True,
        )


def _text(wanted: BisectRequest, series: Series) -> str:
    """Return a sentence that says when a commit is bad."""
    if wanted.applies:
        return f"{wanted.slug} does not apply"
    what = (
        f"{wanted.slug} on a commit, compared with that commit"
        if wanted.with_series
        else "its function"
    )
    kinds = prepare.replay_of(series).kinds
    if wanted.rule is None:
        return f"{what}: the struct pages differ"
    predicates.require_decidable(wanted.rule, kinds)
    return f"{what}: {wanted.rule.text} does not hold"


def _question(runner: Runner, wanted: BisectRequest) -> Question:
    if wanted.rule is not None:
        return predicates.by_rule(runner, wanted.rule, wanted.schedule)
    cases = some_cases(runner.replay, wanted.cases, wanted.schedule.seed)
    return predicates.Differs(runner, cases)


def _source(project: Project, tree: str, log: Path, listen: Listener) -> GitSource:
    source = names.repository_at(tree) or project.trees().get(tree)
    if source is None and Path(tree).is_dir():
        return GitSource(str(Path(tree).resolve()), "HEAD")
    if isinstance(source, GitSource):
        source = clones.instead_of(project, source, log, Deadline(GIT_S), listen) or source
    if not isinstance(source, GitSource) or source.is_url:
        raise InputError(
            f"{tree} is not a git repository on this machine",
            where="--tree",
            expected="a git repository: its path, or an entry of configs/trees.yaml with one",
        )
    return source


def _opened(project: Project, source: GitSource, log: Path) -> ForeignGit:
    git = git_source.opened(project.root, source, log, Deadline(GIT_S))
    assert git is not None  # noqa: S101 (not a URL)
    return git
