# SPDX-License-Identifier: GPL-2.0-only
"""The whole job: tree, series, base and tip kernels, boots; one run record.

Every step keeps what it finished, so a run that is killed goes on where it was.
"""

import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from harness import records
from harness.cache import Cache
from harness.errors import InputError
from harness.events import Ended, Listener, nobody
from harness.inputs import Project
from harness.model.guest import Guest
from harness.model.kernel import Kernel
from harness.model.plan import Plan
from harness.model.record import Machine, RunRecord, Setup, Side, Subject
from harness.model.series import Applied
from harness.stages import accelerator, apply, build, configure, machine, measure, memmaps
from harness.stages.apply import Posted, Source


class Request(msgspec.Struct, frozen=True):
    """What to measure. `prefix` None is the whole series; `accelerator` auto, kvm or tcg."""

    slug: str
    tree: str
    source: Source | None = None
    plan: str = "reproduce"
    profile: str = "minimal"
    compiler: str = "gcc"
    prefix: int | None = None
    accelerator: str = "auto"


def reproduce(
    project: Project, cache: Cache, wanted: Request, listen: Listener = nobody
) -> RunRecord:
    """Do everything that a run record needs and return the finished record.

    Raises HarnessError from whichever step failed; the record tells of boots that failed.
    """
    plan = project.plan(wanted.plan)
    guest = project.guest(plan.guest)
    applied, kernels = build_both(project, cache, wanted, plan, listen)
    chosen = accelerator.prove(cache, Path(kernels["base"].image), wanted.accelerator, listen)
    host = machine.describe(cache, chosen)
    version = wanted.source.version if isinstance(wanted.source, Posted) else None
    if version is None:
        version = project.series(wanted.slug).port_of
    record = _record(applied, version, kernels, plan, guest, host)
    if unfinished := records.resumable(project.results, record):
        listen(Ended(f"going on with run {unfinished.run_id}"))
        record = unfinished
    keep = memmaps.keeper(records.folder_of(project.results, record))
    return measure.measure(
        project, cache, record, kernels, guest, plan, chosen, listen, after_boot=keep
    )


def build_both(
    project: Project, cache: Cache, wanted: Request, plan: Plan, listen: Listener
) -> tuple[Applied, dict[str, Kernel]]:
    """Fetch, apply and build; return the applied series and the kernels by side."""
    how = configure.recipe(project, plan.kconfig, profile=wanted.profile, compiler=wanted.compiler)
    kernel_tree, applied = apply.on_tree(
        project, cache, wanted.slug, wanted.tree, wanted.source, listen
    )
    prefix = chosen_prefix(applied, wanted.prefix)
    kernels = {
        side: build.build(cache, kernel_tree, applied.prefix(k), how, listen, title=side)
        for side, k in (("base", 0), ("tip", prefix))
    }
    return applied, kernels


def chosen_prefix(applied: Applied, asked: int | None) -> int:
    """Return how many patches to take. Raises InputError for more than there are."""
    count = len(applied.patches)
    if asked is not None and not 0 <= asked <= count:
        raise InputError(f"no prefix {asked}", where="--prefix", expected=f"0 to {count}")
    return count if asked is None else asked


def _record(
    applied: Applied,
    version: int,
    kernels: Mapping[str, Kernel],
    plan: Plan,
    guest: Guest,
    host: Machine,
) -> RunRecord:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    kvm = host.accelerator == "kvm"
    commits = [applied.prefix(k) for k in range(len(applied.patches) + 1)]
    return RunRecord(
        run_id=records.new_run_id(now),
        evidence="boot-kvm" if kvm else "boot-tcg",
        subject=Subject(
            slug=applied.slug,
            version=version,
            source=applied.source,
            tree=applied.tree,
            release=applied.release,
            base=applied.base,
            patch_ids=tuple(patch.patch_id for patch in applied.patches),
        ),
        setup=Setup(
            plan=plan.name,
            plan_sha256=_digest(plan),
            guest=guest.name,
            guest_sha256=_digest(guest),
            rebinds=plan.rebinds,
            nr_pages={n.driver: n.nr_pages for n in guest.namespaces},
            boots=plan.boots.kvm if kvm else plan.boots.tcg,
        ),
        machine=host,
        sides=tuple(
            Side(
                name=side,
                prefix=commits.index(kernel.commit),
                commit=kernel.commit,
                release=kernel.release,
                build_id=kernel.build_id,
                config_sha256=kernel.config_sha256,
                compiler=kernel.compiler,
            )
            for side, kernel in kernels.items()
        ),
        started=now.isoformat(),
    )


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()
