# SPDX-License-Identifier: GPL-2.0-only
"""Makes run records for tests."""

from collections.abc import Sequence
from pathlib import Path

from harness.project.claim import Claim, Figures
from harness.project.kernel import Kernel
from harness.project.project import Project
from harness.record.record import (
    Boot,
    BootEvidence,
    BootRun,
    BootSetup,
    Build,
    Machine,
    Sample,
    Subject,
)

PAGES = 25_804_288


def samples(driver: str, first_ms: int, rebinds_ms: Sequence[int]) -> tuple[Sample, ...]:
    times = [first_ms, *rebinds_ms]
    return tuple(
        Sample(
            metric=driver,
            op="rebind" if index else "first",
            index=index,
            ns=ms * 1_000_000,
            resolution_ns=1_000_000,
            nr_pages=PAGES,
            source="pr_debug",
        )
        for index, ms in enumerate(times)
    )


def boot(build: str, number: int, ms: int, rebinds: int = 30) -> Boot:
    return Boot(
        build=build,
        number=number,
        outcome="complete",
        reason="",
        samples=samples("nd_pmem", ms * 5, [ms] * rebinds)
        + samples("dax_pmem", ms * 6, [ms + 1] * rebinds),
    )


def build(name: str, prefix: int) -> Build:
    return Build(
        name=name,
        prefix=prefix,
        commit=f"{prefix:040x}",
        release="7.2.13",
        build_id=f"{prefix:040x}",
        config_sha256="0" * 64,
        compiler="gcc 12",
    )


def kernel() -> Kernel:
    return Kernel(
        key="k",
        commit="0" * 40,
        release="7.2.13",
        build_id="0" * 40,
        config_sha256="",
        compiler="gcc",
        profile="minimal",
        fragments=(),
        folder="/nonesuch",
        cpu_s=1.0,
        wall_s=1.0,
    )


def record(
    evidence: BootEvidence = "boot-kvm",
    *,
    base_ms: Sequence[int] = (270, 272, 274),
    tip_ms: Sequence[int] = (109, 110, 111),
    guest: str = "pmem-100g",
    rebinds: int = 30,
) -> BootRun:
    boots = [boot("base", n, ms, rebinds) for n, ms in enumerate(base_ms)]
    boots += [boot("tip", n, ms, rebinds) for n, ms in enumerate(tip_ms)]
    return BootRun(
        run_id="20260101T000000-abcdef",
        evidence=evidence,
        subject=Subject(
            slug="memcpy-streaming",
            version=2,
            source="port v7.2",
            tree="v7.2",
            release="7.2.13",
            base="0" * 40,
            patch_ids=("a", "b"),
        ),
        setup=BootSetup(
            plan="reproduce",
            plan_sha256="0" * 64,
            guest=guest,
            guest_sha256="0" * 64,
            rebinds=rebinds,
            nr_pages={"nd_pmem": PAGES, "dax_pmem": PAGES},
            boots=len(base_ms),
        ),
        machine=Machine(
            cpu="Some Xeon",
            cpus=2,
            memory_bytes=1 << 34,
            kernel="6.1.0",
            accelerator="kvm" if evidence == "boot-kvm" else "tcg",
            accelerator_proof="booted",
            tools={"qemu": "7.2"},
        ),
        builds=(build("base", 0), build("tip", 2)),
        started="2026-01-01T00:00:00+00:00",
        boots=tuple(boots),
        outcome="complete",
        reason="",
    )


def claims(percent: float | None = 59.4) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            version=2,
            metric=driver,
            guest="pmem-100g",
            rebinds=30,
            base=Figures(mean_ms=273.52),
            tip=Figures(mean_ms=111.08),
            reduction_percent=percent,
        )
        for driver in ("nd_pmem", "dax_pmem")
    )


def checkout(root: Path) -> Project:
    """Return a project with our data files and no results."""
    root.mkdir(parents=True)
    for folder in ("series", "configs", "guests"):
        (root / folder).symlink_to(Project.find().root / folder)
    return Project(root)
