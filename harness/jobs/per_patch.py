# SPDX-License-Identifier: GPL-2.0-only
"""Every prefix of a series built, booted and measured in one run, with a build a prefix.

A patch that does not build, or whose kernel does not boot, costs its own build: which patch it is,
is the question.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from harness.errors import InputError, ToolMissing
from harness.events import Event, Note
from harness.git.git import Git
from harness.host.cache import Cache
from harness.host.process import Deadline
from harness.jobs import jobs
from harness.jobs.graph import Done, Engine, Failed, Graph, Hear, Job, Outcome, unheard
from harness.jobs.reproduce import ReproduceRequest, ending_at_a_failure
from harness.kernel import build as kernel_build
from harness.kernel import configure
from harness.project.kernel import Recipe
from harness.project.project import Project
from harness.record import store
from harness.record.applied import Applied
from harness.record.record import BootRun, Unbuilt
from harness.series import read, trust
from harness.series.source import posted_version

T = TypeVar("T")

GIT_S = 120
GROUND = ("fetch", "apply")


def climb(
    engine: Engine, project: Project, cache: Cache, wanted: ReproduceRequest, hear: Hear = unheard
) -> BootRun:
    """Build all prefixes, boot all that build and return the finished record.

    Raises HarnessError for what no patch is to blame for: base does not build or boot, say.
    """
    if wanted.prefix is not None:
        raise InputError("given with --each-patch", where="--prefix", expected="one of them")
    series = project.measurable_series(wanted.slug)
    plan = project.plan(wanted.plan)
    guest = project.guest(plan.guest)
    how = configure.recipe(project, plan.kconfig, profile=wanted.profile, compiler=wanted.compiler)
    store.require_writable(project.results)
    read.require_readable(project, cache, wanted.slug, wanted.source)
    trust.require(cache, wanted.source)
    done = dict(engine.run(_on_tree(wanted), ending_at_a_failure(hear)))
    applied = _value(done["apply"], Applied)
    done |= engine.run(_builds(cache, how, applied, done, hear), _tolerating(hear))
    built, unbuilt = _sorted(applied, done)
    comparison = jobs.BootComparison(
        plan=plan,
        guest=guest,
        version=posted_version(wanted.source) or series.port_of,
        accelerator=wanted.accelerator,
        builds=tuple(built),
        keep_images=wanted.keep_images,
        go_on=True,
        unbuilt=unbuilt,
    )
    needs = ("apply", *(_build(build) for build in built))
    measure = Job("measure", "boot", jobs.measure, comparison, needs)
    kept = {name: outcome for name, outcome in done.items() if isinstance(outcome, Done)}
    return _value(engine.run(Graph([measure], kept), ending_at_a_failure(hear))["measure"], BootRun)


def steps(cache: Cache, applied: Applied) -> tuple[tuple[str, ...], ...]:
    """Return the files that each patch changes, in the series' order (`git diff --name-only`)."""
    git = Git(cache.repository, log=cache.log("ladder"), deadline=Deadline(GIT_S))
    commits = [applied.base, *(patch.commit for patch in applied.patches)]
    return tuple(
        tuple(git("diff", "--no-renames", "--name-only", *pair).stdout.splitlines())
        for pair in itertools.pairwise(commits)
    )


def order(
    changed: Sequence[Sequence[str]], missing: Sequence[int], last: int | None
) -> tuple[int, ...]:
    """Return in which order to build prefixes that share an O= folder, upwards or downwards.

    What costs is a header that differs between one build and the next, whichever way: all that
    includes it is compiled again. `last` is the prefix that the folder has now, None for none.
    """
    upwards = tuple(sorted(missing))
    ways = (upwards, upwards[::-1])
    return min(ways, key=lambda way: _wide_steps(changed, way if last is None else (last, *way)))


def _wide_steps(changed: Sequence[Sequence[str]], way: Sequence[int]) -> int:
    count = 0
    for here, there in itertools.pairwise(way):
        between = changed[min(here, there) : max(here, there)]
        count += any(is_header(file) for files in between for file in files)
    return count


def is_header(file: str) -> bool:
    """Whether others may include it."""
    return file.endswith(".h")


def _on_tree(wanted: ReproduceRequest) -> Graph:
    patches = jobs.Patches(wanted.slug, wanted.source)
    return Graph(
        [
            Job("fetch", "fetch", jobs.fetch, wanted.tree),
            Job("apply", "apply", jobs.apply, patches, ("fetch",)),
        ]
    )


def _builds(
    cache: Cache, how: Recipe, applied: Applied, ground: dict[str, Outcome], hear: Hear
) -> Graph:
    changed = steps(cache, applied)
    kept = _kept(cache, how, applied)
    missing = [k for k in range(len(applied.patches) + 1) if k not in kept]
    last = max(kept, key=lambda k: kept[k], default=None)
    ordered = order(changed, missing, last)
    if missing:
        wide = [str(k) for k, files in enumerate(changed, 1) if any(map(is_header, files))]
        order_of = ", ".join(map(str, ordered))
        hear("", Note(f"to build: {order_of}; headers change in: {', '.join(wide) or 'none'}"))
    done = {name: outcome for name, outcome in ground.items() if isinstance(outcome, Done)}
    prefixes = (*ordered, *kept)
    return Graph((_job(how, k) for k in prefixes), done)


def _job(how: Recipe, prefix: int) -> Job:
    build = _build_name(prefix)
    return Job(_build(build), "build", jobs.build, jobs.Commit(how, prefix, build), GROUND)


def _kept(cache: Cache, how: Recipe, applied: Applied) -> dict[int, float]:
    """Return the prefixes whose kernels are here, with the time at which each was built."""
    found = {}
    for k in range(len(applied.patches) + 1):
        try:
            folder = cache.kernels / kernel_build.key(cache, applied.prefix(k), how)
        except ToolMissing:
            return {}  # another machine may have it
        meta = Path(folder) / kernel_build.META
        if meta.exists():
            found[k] = meta.stat().st_mtime
    return found


def _tolerating(hear: Hear) -> Hear:
    """Raise what a build raised, unless a patch is to blame."""

    def hear_or_raise(job: str, heard: Event | Outcome) -> None:
        hear(job, heard)
        if isinstance(heard, Failed) and (heard.kind != "DoesNotBuild" or job == _build("base")):
            raise heard.error()

    return hear_or_raise


def _sorted(
    applied: Applied, done: dict[str, Outcome]
) -> tuple[dict[str, int], tuple[Unbuilt, ...]]:
    """Return the builds that there are, in order, and the prefixes that did not build."""
    built: dict[str, int] = {}
    unbuilt = []
    for k in range(len(applied.patches) + 1):
        outcome = done[_build(_build_name(k))]
        if isinstance(outcome, Failed):
            reason = "\n".join(filter(None, (outcome.what, outcome.detail)))
            unbuilt.append(Unbuilt(k, reason))
        else:
            built[_build_name(k)] = k
    return built, tuple(unbuilt)


def _build_name(prefix: int) -> str:
    return str(prefix) if prefix else "base"


def _build(build: str) -> str:
    return f"build {build}"


def _value(outcome: Outcome, kind: type[T]) -> T:
    assert isinstance(outcome, Done)  # noqa: S101 (a failure was raised)
    assert isinstance(outcome.value, kind)  # noqa: S101
    return outcome.value
