# SPDX-License-Identifier: GPL-2.0-only
"""A cell without a guest: the objects of base and prefixes are compiled and examined."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.errors import Unsupported
from harness.jobs.graph import Here
from harness.jobs.matrix.boots import prefixes_of, require_options
from harness.project.kernel import Recipe, Tree
from harness.project.matrix_plan import Prefix, Show, Shown
from harness.project.series import Series
from harness.record.applied import Applied
from harness.record.record import BASE, Check
from harness.replay import compare, prepare, trace
from harness.replay.object_checks import ObjectCheck
from harness.replay.program import objects
from harness.replay.program.link import Program, Unprovided
from harness.replay.runner.runner import Runner
from harness.workloads.replay import some_cases

SEED = 1


class Objects(msgspec.Struct, frozen=True):
    """The objects to examine, and what they must show.

    `needs` are the Kconfig options that the tree must have.
    """

    how: Recipe
    series: Series
    prefix: Prefix
    shows: tuple[Show, ...]
    cases: int
    needs: tuple[str, ...] = ()


class _Builds(NamedTuple):
    """The commits of base and prefixes by name, in order, and how their objects are made."""

    here: Here
    tree: Tree
    commits: dict[str, str]
    given: Objects

    @property
    def last(self) -> str:
        return list(self.commits)[-1]

    def runner(self) -> Runner:
        return prepare.make_runner(self.here.cache, self.given.series, self.here.listen)

    def unlinked(self) -> Iterator[tuple[str, Path]]:
        """Compile the object of each build; yield its name and file."""
        for name, commit in self.commits.items():
            yield (
                name,
                objects.unlinked(
                    self.here.cache,
                    self.tree,
                    commit,
                    self.given.how,
                    self.given.series.object,
                    self.here.listen,
                    title=_title(name),
                ),
            )

    def programs(self) -> dict[str, Program]:
        """Return a program per build. Raises Unsupported where none can be linked."""
        wanted = [objects.Wanted(commit, _title(name)) for name, commit in self.commits.items()]
        here, how, series = self.here, self.given.how, self.given.series
        replay = prepare.replay_of(series)
        try:
            made = objects.programs(
                here.cache, self.tree, wanted, how, series.object, replay, here.listen
            )
        except Unprovided as error:
            raise Unsupported(f"the replay cannot run this configuration: {error.what}") from error
        return dict(zip(self.commits, made, strict=True))


def examine(here: Here, given: Objects, tree: Tree, applied: Applied) -> Shown:
    """Compile the series' object for base and prefixes and return what was found in them.

    Raises Unsupported where the replay cannot run it, ToolMissing, DoesNotBuild or MachineError.
    """
    require_options(here, tree, given.needs)
    prefixes = prefixes_of(applied, given.prefix)
    commits = {BASE: applied.base} | {str(k): applied.prefix(k) for k in prefixes}
    builds = _Builds(here, tree, commits, given)
    return Shown(tuple(found for show in given.shows for found in _SHOWING[show](builds)))


def _compiles(builds: _Builds) -> Iterator[Check]:
    for name, path in builds.unlinked():
        yield Check(f"{name} compiles", ok=True, detail=f"{path.stat().st_size} bytes")


def _absent(builds: _Builds) -> Iterator[Check]:
    """Check that no build has the function: this configuration leaves it out."""
    binutils, function = builds.runner().binutils, builds.given.series.function
    for name, path in builds.unlinked():
        there = function in binutils.defined(path)
        detail = f"{function}() is {'' if there else 'not '}in it"
        yield Check(f"{name} without it", ok=not there, detail=detail)


def _plain(builds: _Builds) -> Iterator[Check]:
    runner = builds.runner()
    for name, path in builds.unlinked():
        yield _check(trace.plain(runner, name, path))


def _same(builds: _Builds) -> Iterator[Check]:
    programs, runner = builds.programs(), builds.runner()
    traceable = runner(programs[BASE], []).facts.traceable
    cases = some_cases(runner.replay, builds.given.cases, SEED, traceable=traceable)
    compared = compare.compare(runner, programs, cases, builds.here.listen)
    unequal = {found.build: f"{found.case}: {found.what}" for found in compared.unequal}
    also = f" ({runner.replay.traceable})" if traceable else ""
    equal = (
        f"as base in {compared.cases} calls{also}: struct pages, calls to the rest of the kernel"
    )
    for name in list(builds.commits)[1:]:
        yield Check(f"{name} same", ok=name not in unequal, detail=unequal.get(name, equal))


def _streams(builds: _Builds) -> Iterator[Check]:
    """Check that the whole series stores past the caches, and base does not."""
    ends = (BASE, builds.last)
    programs = {name: program for name, program in builds.programs().items() if name in ends}
    runner, listen = builds.runner(), builds.here.listen
    for one in trace.object_checks(runner, programs, listen, streaming=[builds.last], plain=[BASE]):
        yield _check(one)


_SHOWING = {
    "compiles": _compiles,
    "absent": _absent,
    "plain": _plain,
    "same": _same,
    "streams": _streams,
}


def _check(one: ObjectCheck) -> Check:
    return Check(f"{one.build} {one.name}", ok=one.ok, detail=one.detail)


def _title(name: str) -> str:
    return name if name == BASE else f"prefix {name}"
