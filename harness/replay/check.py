# SPDX-License-Identifier: GPL-2.0-only
"""Checks builds without timing them: equal struct pages on two configurations, sound objects."""

import msgspec

from harness.events import Listener, silent
from harness.host.cache import Cache
from harness.project.project import Project
from harness.record.record import BASE
from harness.replay import compare, trace
from harness.replay.cases import Case, corners, random_cases
from harness.replay.compare import CaseComparison
from harness.replay.object_checks import ObjectCheck
from harness.replay.prepare import Prepared, ReplayRequest, recipe_with, with_fragment
from harness.replay.program import objects
from harness.replay.runner.runner import Runner

#: Fragments of configs/kconfig/: the tracepoint page_ref_set compiled in; KASAN.
PAGE_REF, KASAN = "page-ref", "kasan"
#: The name of the comparison on the objects that are timed.
AS_BOOTED = "as booted"


class Checked(msgspec.Struct, frozen=True):
    """The comparisons by configuration, and the object checks."""

    compared: dict[str, CaseComparison]
    checks: tuple[ObjectCheck, ...]

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
    return compare.compare(runner, made.programs, _cases(wanted, page_ref=False), listen)


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
    traceable = with_fragment(project, cache, made, PAGE_REF, listen)
    found["page_ref_set traceable"] = compare.compare(
        runner, traceable.programs, _cases(wanted, page_ref=True), listen
    )
    if not made.series.non_temporal:
        return Checked(found, trace.object_checks(runner, made.programs, listen))
    whole = [build.name for build in made.builds if build.commit == made.applied.tip]
    checks = trace.object_checks(runner, made.programs, listen, streaming=whole, plain=[BASE])
    return Checked(found, (*checks, _kasan_check(project, cache, runner, made, listen)))


def _kasan_check(
    project: Project, cache: Cache, runner: Runner, made: Prepared, listen: Listener
) -> ObjectCheck:
    """Check that the series has no non-temporal stores under KASAN, which would not see them."""
    tip = made.builds[-1]
    name = f"{tip.name} with KASAN"
    how = recipe_with(project, made.how, KASAN)
    file = objects.unlinked(
        cache, made.tree, tip.commit, how, made.series.object, listen, title=name
    )
    return trace.plain(runner, name, file)


def _cases(wanted: ReplayRequest, *, page_ref: bool) -> list[Case]:
    return [*corners(), *random_cases(wanted.cases, wanted.schedule.seed, page_ref=page_ref)]
