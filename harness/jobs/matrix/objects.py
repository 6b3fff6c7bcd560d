# SPDX-License-Identifier: GPL-2.0-only
"""A cell of a matrix without a guest: the objects of base and prefixes, compiled and looked at."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.errors import Unsupported
from harness.jobs.graph import Here
from harness.jobs.matrix.boots import prefixes_of, require_options
from harness.project.kernel import Recipe, Tree
from harness.project.matrix_plan import Prefix, Show, Shown
from harness.project.series import FUNCTION
from harness.record.applied import Applied
from harness.record.record import BASE, Check
from harness.replay import check, replay, trace
from harness.replay.cases import corners, drawn
from harness.replay.program import objects
from harness.replay.program.link import Program, Unprovided

SEED = 1


class Objects(msgspec.Struct, frozen=True):
    """Objects to look at: base's and the prefixes', and what they are to show.

    `needs` are the Kconfig options that the tree must know.
    """

    how: Recipe
    object: str
    prefix: Prefix
    shows: tuple[Show, ...]
    cases: int
    needs: tuple[str, ...] = ()


class _Prefixes(NamedTuple):
    """Base and prefixes by name, in order, with their commits."""

    tree: Tree
    commits: dict[str, str]
    given: Objects

    @property
    def last(self) -> str:
        return list(self.commits)[-1]


def examine(here: Here, given: Objects, tree: Tree, applied: Applied) -> Shown:
    """Compile the series' object for base and prefixes and say what was found in them.

    Raises Unsupported where the replay cannot run it, ToolMissing, DoesNotBuild or MachineError.
    """
    require_options(here, tree, given.needs)
    prefixes = prefixes_of(applied, given.prefix)
    names = {BASE: applied.base} | {str(k): applied.prefix(k) for k in prefixes}
    builds = _Prefixes(tree, names, given)
    found: list[Check] = []
    for show in given.shows:
        found += _SHOWING[show](here, builds)
    return Shown(tuple(found))


def _compiles(here: Here, builds: _Prefixes) -> Iterator[Check]:
    for name, path in _plain_objects(here, builds):
        yield Check(f"{name} compiles", ok=True, detail=f"{path.stat().st_size} bytes")


def _plain_objects(here: Here, builds: _Prefixes) -> Iterator[tuple[str, Path]]:
    for name, commit in builds.commits.items():
        yield (
            name,
            objects.unlinked(
                here.cache,
                builds.tree,
                commit,
                builds.given.how,
                builds.given.object,
                here.listen,
                title=_title(name),
            ),
        )


def _absent(here: Here, builds: _Prefixes) -> Iterator[Check]:
    """It is not built with this configuration, on base as with the series."""
    binutils = replay.driver(here.cache, here.listen).binutils
    for name, path in _plain_objects(here, builds):
        there = FUNCTION in binutils.defined(path)
        detail = f"{FUNCTION}() is {'' if there else 'not '}in it"
        yield Check(f"{name} without it", ok=not there, detail=detail)


def _plain(here: Here, builds: _Prefixes) -> Iterator[Check]:
    drive = replay.driver(here.cache, here.listen)
    for name, path in _plain_objects(here, builds):
        gate = trace.plain(drive, name, path)
        yield Check(f"{name} {gate.name}", ok=gate.ok, detail=gate.detail)


def _same(here: Here, builds: _Prefixes) -> Iterator[Check]:
    programs = _programs(here, builds)
    drive = replay.driver(here.cache, here.listen)
    traced = drive(programs[BASE], []).facts.page_ref
    cases = [*corners(), *drawn(builds.given.cases, SEED, page_ref=traced)]
    compared = check.compare(drive, programs, cases, here.listen)
    events = ", page_ref_set events" if traced else ""
    unequal = {found.build: f"{found.case}: {found.what}" for found in compared.unequal}
    for name in list(builds.commits)[1:]:
        said = f"as base in {compared.cases} calls: struct pages, pageblocks{events}"
        yield Check(f"{name} same", ok=name not in unequal, detail=unequal.get(name, said))


def _streams(here: Here, builds: _Prefixes) -> Iterator[Check]:
    """Only the whole series must; base must not."""
    programs = {
        name: p for name, p in _programs(here, builds).items() if name in (BASE, builds.last)
    }
    drive = replay.driver(here.cache, here.listen)
    for gate in trace.gates(drive, programs, here.listen, streaming=[builds.last], plain=[BASE]):
        yield Check(f"{gate.build} {gate.name}", ok=gate.ok, detail=gate.detail)


_SHOWING = {
    "compiles": _compiles,
    "absent": _absent,
    "plain": _plain,
    "same": _same,
    "streams": _streams,
}


def _programs(here: Here, builds: _Prefixes) -> dict[str, Program]:
    wanted = [objects.Wanted(commit, _title(name)) for name, commit in builds.commits.items()]
    given = builds.given
    try:
        made = objects.programs(
            here.cache, builds.tree, wanted, given.how, given.object, here.listen
        )
    except Unprovided as error:
        raise Unsupported(f"the replay cannot run this configuration: {error.what}") from error
    return dict(zip(builds.commits, made, strict=True))


def _title(name: str) -> str:
    return name if name == BASE else f"prefix {name}"
