# SPDX-License-Identifier: GPL-2.0-only
"""Checks builds without timing them: equal struct pages on two configurations, sound objects."""

from collections.abc import Collection, Iterator

import msgspec

from harness.events import Listener, silent
from harness.host.cache import Cache
from harness.project.project import Project
from harness.record.record import BASE
from harness.replay import compare, trace
from harness.replay.compare import CaseComparison
from harness.replay.object_checks import ObjectCheck
from harness.replay.prepare import Prepared, ReplayRequest, recipe_with, with_fragments
from harness.replay.program import objects
from harness.replay.runner.runner import Runner
from harness.workloads.replay import Case, some_cases

#: Fragments of configs/kconfig/: cond_resched() is a call rather than nothing; KASAN.
RESCHED, KASAN = "resched", "kasan"
#: The name of the comparison on the objects that are timed.
AS_BOOTED = "as booted"


class Checked(msgspec.Struct, frozen=True):
    """The comparisons by configuration, and the object checks.

    `streaming` has the number of non-temporal stores in the code of each build that has some.
    """

    compared: dict[str, CaseComparison]
    checks: tuple[ObjectCheck, ...]
    streaming: dict[str, int] = {}

    @property
    def ok(self) -> bool:
        """Whether nothing differs and every object check holds."""
        return all(not c.unequal for c in self.compared.values()) and all(
            check.ok for check in self.checks
        )


def compare_as_booted(
    runner: Runner, made: Prepared, wanted: ReplayRequest, listen: Listener = silent
) -> CaseComparison:
    """Compare all builds with base on the objects that are timed."""
    cases = _cases(runner, wanted, traceable=False)
    return compare.compare(runner, made.programs, cases, listen)


def check(
    project: Project,
    cache: Cache,
    runner: Runner,
    made: Prepared,
    wanted: ReplayRequest,
    listen: Listener = silent,
) -> Checked:
    """Compare all builds with base on both configurations, and check the objects."""
    found = {AS_BOOTED: compare_as_booted(runner, made, wanted, listen)}
    fragments = (*runner.replay.fragments, RESCHED)
    watched = with_fragments(project, cache, made, fragments, listen).programs
    found[runner.replay.traceable] = compare.compare(
        runner, watched, _cases(runner, wanted, traceable=True), listen
    )
    stores = {name: trace.stores_of(runner, program) for name, program in made.programs.items()}
    streaming = {name: count for name, count in stores.items() if count}
    must, must_not = _expected(made)
    checks = trace.object_checks(runner, made.programs, listen, streaming=must, plain=must_not)
    return Checked(
        found,
        (
            *checks,
            *trace.rescheduled(runner, watched),
            *_kasan_checks(project, cache, runner, made, streaming, listen),
        ),
        streaming,
    )


def _expected(made: Prepared) -> tuple[list[str], list[str]]:
    """Return the builds that must have non-temporal stores, and those that must not.

    Of a series of which that is unknown, only base must not.
    """
    if made.series.non_temporal is False:
        return [], [build.name for build in made.builds]
    whole = (made.applied.tip, made.applied.last) if made.series.non_temporal else ()
    return [build.name for build in made.builds if build.commit in whole], [BASE]


def _kasan_checks(
    project: Project,
    cache: Cache,
    runner: Runner,
    made: Prepared,
    streaming: Collection[str],
    listen: Listener,
) -> Iterator[ObjectCheck]:
    """Check that no build has non-temporal stores under KASAN, which would not see them.

    A build without them has none under KASAN either.
    """
    how = recipe_with(project, made.how, [KASAN])
    for build in made.builds:
        if build.name in streaming:
            name = f"{build.name} with KASAN"
            file = objects.unlinked(
                cache, made.tree, build.commit, how, made.series.object, listen, title=name
            )
            yield trace.plain(runner, name, file, build.program.shim)


def _cases(runner: Runner, wanted: ReplayRequest, *, traceable: bool) -> list[Case]:
    if wanted.only:
        return [case for case in wanted.only if traceable or not case.traced]
    seed = wanted.schedule.seed
    return some_cases(runner.replay, wanted.cases, seed, traceable=traceable)
