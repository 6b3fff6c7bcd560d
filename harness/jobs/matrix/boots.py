# SPDX-License-Identifier: GPL-2.0-only
"""A cell with a guest: its kernels are built and booted.

What the boots showed is returned as checks. An error is raised only if the cell could not be tried,
or base itself does not work.
"""

from collections.abc import Iterator, Sequence

import msgspec

from harness.errors import GuestLost, Unsupported
from harness.git.git import Git
from harness.host.processes.process import Deadline
from harness.jobs import jobs
from harness.jobs.graph import Here
from harness.memmap import compare
from harness.project.kernel import Kernel, Tree
from harness.project.matrix_plan import Prefix, Shown
from harness.project.project import Project
from harness.record import store
from harness.record.applied import Applied
from harness.record.record import BASE, Boot, BootRun, Check

GIT_S = 120
NOT_COMPARED = "struct pages not compared: no backing file of this guest holds them"


class CellKernel(msgspec.Struct, frozen=True):
    """A kernel to build, of a tree that must have the Kconfig options in `needs`."""

    of: jobs.Commit
    needs: tuple[str, ...] = ()


def build(here: Here, given: CellKernel, tree: Tree, applied: Applied) -> Kernel:
    """Build and return a kernel. Raises Unsupported if the tree or the series lacks something."""
    require_options(here, tree, given.needs)
    if given.of.prefix:
        prefixes_of(applied, given.of.prefix)
    return jobs.build(here, given.of, tree, applied)


def boot(here: Here, given: jobs.BootComparison, applied: Applied, *kernels: Kernel) -> Shown:
    """Boot base and prefix, or the prefix alone, and return the checks that every boot must pass.

    Raises GuestLost if base itself does not work, or if a boot without base beside it ended for no
    reason that its console shows: neither says anything about the series.
    """
    home = Project(here.project.root)
    home.results = here.project.results / store.MATRIX
    record = jobs.measure(msgspec.structs.replace(here, project=home), given, applied, *kernels)
    _require_due_to_series(record)
    folder = store.folder_of(home.results, record)
    compared = any(boot.memmaps for boot in record.boots)
    return Shown(
        tuple(_booted(record)),
        str(folder.relative_to(here.project.results)),
        "" if compared else NOT_COMPARED,
    )


def prefixes_of(applied: Applied, asked: Prefix) -> tuple[int, ...]:
    """Return the numbers of the prefixes. Raises Unsupported for one that the series lacks."""
    count = len(applied.patches)
    if asked == "each":
        return tuple(range(1, count + 1))
    if asked == "tip":
        return (count,)
    if not 1 <= asked <= count:
        raise Unsupported(f"no prefix {asked}: {applied.source} has {count} patches")
    return (asked,)


def require_options(here: Here, tree: Tree, needs: Sequence[str]) -> None:
    """Raise Unsupported unless the tree's Kconfig files have the options, by their bare names."""
    git = Git(here.cache.repository, log=here.cache.log("options"), deadline=Deadline(GIT_S))
    for option in needs:
        pattern = f"^(menu)?config {option}$"
        found = git("grep", "-qE", pattern, tree.commit, "--", "*Kconfig*", ok=(0, 1))
        if found.exit_code == 1:
            raise Unsupported(f"{tree.name} ({tree.release}) has no CONFIG_{option}")


def _require_due_to_series(record: BootRun) -> None:
    for boot in record.boots:
        if boot.build == BASE and boot.outcome != "complete":
            raise GuestLost(f"base itself is {boot.outcome}: {boot.reason}")
        if len(record.builds) == 1 and boot.outcome in ("lost", "timed_out") and not boot.findings:
            raise GuestLost(f"{boot.build} is {boot.outcome}: {boot.reason}")


def _booted(record: BootRun) -> Iterator[Check]:
    names = [build.name for build in record.builds]
    for boot in sorted(record.boots, key=lambda boot: names.index(boot.build)):
        yield _ended(boot)
        kinds = sorted({finding.kind for finding in boot.findings})
        detail = f"the console shows {', '.join(kinds)}" if kinds else "no report on the console"
        yield Check(f"{boot.build} quiet", ok=not kinds, detail=detail)
        failed = "; ".join(f"{check.name}: {check.detail}" for check in boot.checks if not check.ok)
        held = f"{len(boot.checks)} conditions hold"
        yield Check(f"{boot.build} checks", ok=not failed, detail=failed or held)
    yield from _struct_pages(record)


def _ended(boot: Boot) -> Check:
    ok = boot.outcome == "complete"
    bound = f"{len(boot.samples)} bindings in {boot.wall_s:.0f} s"
    return Check(f"{boot.build} boots", ok=ok, detail=bound if ok else boot.reason)


def _struct_pages(record: BootRun) -> Iterator[Check]:
    """Compare the struct pages of the guests that have them on an NVDIMM's backing file."""
    memmaps = [memmap for boot in record.boots for memmap in boot.memmaps]
    if not memmaps:
        return
    differ = compare.unequal(record)
    pages = " and ".join(dict.fromkeys(f"{m.nr_pages} of {m.metric}" for m in memmaps))
    if len(record.builds) == 1:
        build, equal = record.builds[0].name, f"{pages}, all initialized"
    else:
        build, equal = "both", f"{pages}, equal"
    yield Check(f"{build} struct pages", ok=not differ, detail=differ or equal)
