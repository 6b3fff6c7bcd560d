# SPDX-License-Identifier: GPL-2.0-only
"""Builds, boots and measures every prefix of a series in one run, each as a build of its own.

A patch that does not build, or whose kernel does not boot, costs its own build only: which patch
that is, is the question.
"""

import itertools
from collections.abc import Mapping, Sequence

import msgspec

from harness.errors import InputError
from harness.events import Event, Note
from harness.git.git import Git
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.jobs import jobs
from harness.jobs.graph import Engine, Failed, Graph, Notify, Outcome, ignore, result
from harness.jobs.reproduce import (
    Replayer,
    ReproduceRequest,
    cached_kernel,
    on_tree,
    plan,
    planned,
    raising,
    replayed,
    require_no_builds,
)
from harness.project.kernel import Recipe
from harness.project.project import Project
from harness.record.applied import Applied
from harness.record.record import FOLLOW_UP, BootRun, Unbuilt

GIT_S = 120


def reproduce_each_patch(
    engine: Engine,
    project: Project,
    cache: Cache,
    wanted: ReproduceRequest,
    notify: Notify = ignore,
    replayer: Replayer | None = None,
) -> BootRun:
    """Build all prefixes, boot those that build, and return the finished record.

    `replayer` is as for reproduce(). Raises HarnessError for a failure that is not due to a patch
    of the series: base or the follow-up does not build, for example.
    """
    if wanted.prefix is not None:
        raise InputError("given with --each-patch", where="--prefix", expected="one of them")
    if wanted.fine_clock:
        raise InputError("given with --each-patch", where="--fine-clock", expected="one of them")
    how, comparison = plan(project, cache, wanted)
    require_no_builds(comparison.plan, "--each-patch")
    done = on_tree(engine, wanted, notify)
    applied = result(done["apply"], Applied)
    commits = {_name(k): applied.prefix(k) for k in range(len(applied.patches) + 1)}
    if wanted.follow_up:
        commits[FOLLOW_UP] = applied.last
    kernels = {name: (how, commit) for name, commit in commits.items()}
    notify("", planned(cache, kernels, replayer))
    replay = replayed(replayer, done)
    prefixes = _in_build_order(cache, how, applied, notify)
    # The follow-up last: it shares most objects with the whole series.
    own = (FOLLOW_UP,) if wanted.follow_up else ()
    named = {_name(k): k for k in prefixes} | dict.fromkeys(own, len(applied.patches))
    builds = Graph((jobs.build_job(how, name, k) for name, k in named.items()), done)
    done |= engine.run(builds, _raising_unless_due_to_a_patch(notify))
    unbuilt = tuple(_unbuilt(done, len(prefixes)))
    failed = {one.prefix for one in unbuilt}
    comparison = msgspec.structs.replace(
        comparison,
        builds=(*(_name(k) for k in range(len(prefixes)) if k not in failed), *own),
        keep_going=True,
        unbuilt=unbuilt,
        replay=replay,
    )
    boots = Graph([jobs.measure_job(comparison)], done)
    return result(engine.run(boots, raising(notify))["measure"], BootRun)


def changed_files(cache: Cache, applied: Applied) -> tuple[tuple[str, ...], ...]:
    """Return the files that each patch changes, in the series' order (`git diff --name-only`)."""
    git = Git(cache.repository, log=cache.log("per-patch"), deadline=Deadline(GIT_S))
    commits = [applied.base, *(patch.commit for patch in applied.patches)]
    return tuple(
        tuple(git("diff", "--no-renames", "--name-only", *pair).stdout.splitlines())
        for pair in itertools.pairwise(commits)
    )


def build_order(
    changed: Sequence[Sequence[str]], missing: Sequence[int], last: int | None
) -> tuple[int, ...]:
    """Return the missing prefixes in the order, up or down, in which they compile least.

    They share an O= folder, so a header that differs between one build and the next is expensive:
    all files that include it are compiled again. `last` is the prefix built last, None for none.
    """
    upwards = tuple(sorted(missing))
    orders = (upwards, upwards[::-1])
    return min(orders, key=lambda each: _header_changes(changed, each, last))


def _header_changes(
    changed: Sequence[Sequence[str]], order: Sequence[int], last: int | None
) -> int:
    steps = itertools.pairwise(order if last is None else (last, *order))
    return sum(
        any(is_header(file) for files in changed[min(step) : max(step)] for file in files)
        for step in steps
    )


def is_header(file: str) -> bool:
    """Return whether other files may include this one."""
    return file.endswith(".h")


def _in_build_order(cache: Cache, how: Recipe, applied: Applied, notify: Notify) -> tuple[int, ...]:
    """Return all prefixes: those to build in their order, then those whose kernels are cached."""
    changed = changed_files(cache, applied)
    cached = _cached(cache, how, applied)
    missing = [k for k in range(len(applied.patches) + 1) if k not in cached]
    ordered = build_order(changed, missing, max(cached, key=cached.__getitem__, default=None))
    if missing:
        headers = [str(k) for k, files in enumerate(changed, 1) if any(map(is_header, files))]
        order = ", ".join(map(str, ordered))
        notify("", Note(f"to build: {order}; headers change in: {', '.join(headers) or 'none'}"))
    return (*ordered, *cached)


def _cached(cache: Cache, how: Recipe, applied: Applied) -> dict[int, float]:
    """Return the prefixes whose kernels are in the cache, with the time each was built at."""
    metas = (
        (k, cached_kernel(cache, how, applied.prefix(k))) for k in range(len(applied.patches) + 1)
    )
    return {k: meta.stat().st_mtime for k, meta in metas if meta is not None}


def _raising_unless_due_to_a_patch(notify: Notify) -> Notify:
    def notify_or_raise(job: str, event: Event | Outcome) -> None:
        notify(job, event)
        if isinstance(event, Failed) and (
            event.kind != "DoesNotBuild"
            or job in (jobs.building(_name(0)), jobs.building(FOLLOW_UP))
        ):
            raise event.error()

    return notify_or_raise


def _unbuilt(done: Mapping[str, Outcome], count: int) -> list[Unbuilt]:
    outcomes = ((k, done[jobs.building(_name(k))]) for k in range(count))
    return [
        Unbuilt(k, "\n".join(filter(None, (outcome.what, outcome.detail))))
        for k, outcome in outcomes
        if isinstance(outcome, Failed)
    ]


def _name(prefix: int) -> str:
    return str(prefix) if prefix else "base"
