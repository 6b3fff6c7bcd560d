# SPDX-License-Identifier: GPL-2.0-only
"""Conclusions of every kind, for tests of reports."""

import msgspec

from harness.judge.clocks import Clocks
from harness.judge.conclude import Conclusion, conclude
from harness.judge.conditions.comparable import Identity, Pin, SymbolSize
from harness.judge.conditions.noise import Noise
from harness.judge.rules import RuleResult
from harness.judge.runs.null_runs import NullSeen
from harness.memmap.compare import Verified
from harness.project.claim import Claim
from harness.record.record import Boot, BootRun, Finding, Log, Memmap, ReplayRun, Unbuilt
from tests.unit import replays
from tests.unit.builders import PAGES, boot, build, claims, record

replace = msgspec.structs.replace

SPLAT = """\
[    1.000000] ------------[ cut here ]------------
[    1.000000] WARNING: CPU: 0 PID: 1 at mm/mm_init.c:1080 memmap_init_zone_device+0x1/0x2
[    1.000000] ---[ end trace 0000000000000000 ]---"""


def memmaps(rec: BootRun, *, differ: bool = False) -> BootRun:
    """Return the record with struct pages of its boots; tip's may differ."""

    def left(boot: Boot) -> tuple[Memmap, ...]:
        digest = "b" if differ and boot.build == "tip" else "a"
        return tuple(Memmap(driver, PAGES, digest * 64) for driver in rec.setup.nr_pages)

    return replace(rec, boots=tuple(replace(boot, memmaps=left(boot)) for boot in rec.boots))


def posted(rec: BootRun) -> BootRun:
    """Return the record as if the posted patches had been measured."""
    subject = replace(
        rec.subject,
        source="v2",
        patch_sha256=("1" * 64, "2" * 64),
        message_id="cover@example.org",
    )
    return replace(rec, subject=subject)


def replay(*, differ: bool = False) -> ReplayRun:
    """A replay of base and two prefixes, with the memory's limit."""
    pages = 1 << 20

    def costs(ns_per_page: float) -> list[float]:
        return [pages * ns_per_page * (1 + number / 500) for number in range(5)]

    rec = replays.replay({"base": costs(4.6), "1": costs(4.14), "2": costs(2.07)}, pages=pages)
    limit = [
        one
        for how, cost in (("movnti", 1.9), ("memset", 4.0))
        for one in replays.passes("limit", how, costs(cost), "", pages)
    ]
    _, whole = rec.comparisons
    if differ:
        detail = "struct page 7: flags differ"
        rec = replace(
            rec,
            comparisons=(rec.comparisons[0], replace(whole, equal=False, detail=detail)),
        )
    machine = replace(rec.machine, accelerator="native", accelerator_proof="no guest", tools={})
    setup = replace(rec.setup, passes=2)
    return replace(rec, passes=(*rec.passes, *limit), machine=machine, setup=setup)


def reported() -> BootRun:
    """A run that is known from logs of another machine."""
    rec = record("reported")
    trust = ("which patches the kernel has, and its build id", "the CPU")
    return replace(
        rec,
        subject=replace(rec.subject, source="kernel logs", tree="", base="", patch_ids=("", "")),
        setup=replace(rec.setup, plan="reported", guest="reported", guest_sha256=""),
        machine=replace(
            rec.machine, accelerator="native", accelerator_proof="not a machine of ours", tools={}
        ),
        builds=tuple(
            replace(b, commit="", build_id="", config_sha256="", options_sha256="")
            for b in rec.builds
        ),
        boots=tuple(replace(boot, argv=("--kopt=quiet",), unvouched=trust) for boot in rec.boots),
    )


def broken(rec: BootRun, **changes: object) -> BootRun:
    """The record with its last boot (of tip) changed."""
    *good, last = rec.boots
    return replace(rec, boots=(*good, replace(last, **changes)))


def failed() -> BootRun:
    """A run whose last boot showed a warning, and whose sixth panicked."""
    rec = broken(
        record(),
        outcome="panicked",
        reason="the guest panicked",
        samples=(),
        findings=(Finding("warn", 3, SPLAT),),
        logs=(Log("logs/tip-2.console.log", "c" * 64),),
    )
    return replace(rec, outcome="panicked", reason="boot 6 of 6, tip: the guest panicked")


def lost() -> BootRun:
    """A run that was interrupted in its second boot."""
    rec = record()
    return replace(
        rec,
        boots=(rec.boots[0], Boot("tip", 0)),
        outcome="lost",
        reason="the run has not ended",
        finished=None,
    )


def per_patch() -> BootRun:
    """A per-patch run of base and two prefixes; each patch halves the time."""
    rec = record()
    times = {"base": (272, 270, 274), "1": (136, 135, 137), "2": (68, 67, 69)}
    # Each round starts with another build.
    boots = tuple(
        boot(build, number, times[build][number])
        for number in range(3)
        for build in ("base", "1", "2")
    )
    subject = replace(rec.subject, patch_subjects=("mm: a first step", "mm: the second"))
    builds = (
        rec.builds[0],
        replace(build("1", 1), new_warnings=()),
        replace(build("2", 2), new_warnings=()),
    )
    return memmaps(replace(rec, subject=subject, builds=builds, boots=boots))


def per_patch_broken() -> BootRun:
    """A per-patch run under TCG whose first patch does not build, and whose last warns."""
    rec = per_patch()
    base, _, tip = rec.builds
    return replace(
        rec,
        evidence="boot-tcg",
        machine=replace(rec.machine, accelerator="tcg"),
        builds=(base, replace(tip, new_warnings=None)),
        boots=tuple(one for one in rec.boots if one.build != "1"),
        unbuilt=(Unbuilt(1, "the kernel does not build\nmm/mm_init.c:7:1: error: no"),),
    )


def after_patches() -> tuple[Claim, ...]:
    """A claim after the first patch beside those of the whole series."""
    whole = claims(75.0)
    return (replace(whole[0], after_patch=1, reduction_percent=50.0), *whole)


def everything() -> Conclusion:
    """A conclusion with something in each of its fields."""
    made = conclude(memmaps(record()), claims())
    return replace(
        made,
        noise=(
            Noise("drift", "base boot 2, nd_pmem", "slower by 4.1 % from first to last", "idle"),
            Noise("load", "base boot 1", "1.9 other processes ran", "stop them"),
        ),
        identity=(
            Identity(
                "tip",
                (Pin("compiler", "gcc 12", "gcc 12", equal=True),),
                files=("mm/mm_init.c", "mm/mm_init.h"),
                symbols=(SymbolSize("memmap_init_zone_device", 812, 1024),),
                config_diff=(),
            ),
        ),
        memmaps=tuple(
            Verified(boot.build, boot.number, driver, PAGES, PAGES)
            for boot in made.record.boots
            for driver in ("nd_pmem", "dax_pmem")
        ),
        null=NullSeen("20260101T010000-abcdef", ""),
        clocks=(
            Clocks("base", "nd_pmem", 31, 272.4e6, 272_511_300, 912_000, 1_000_000),
            Clocks("tip", "nd_pmem", 31, 110.2e6, 110_306_000, 1_204_000, 1_000_000),
            Clocks("tip", "dax_pmem", problem="nd_pmem probes: 30 of 31 bindings timed"),
        ),
        rules=(
            RuleResult(
                "nd_pmem.rebind.ratio<0.6", ok=True, value=0.404, reason="0.404 is below 0.6"
            ),
            RuleResult("dax_pmem.rebind.ratio<0.3", ok=False, value=0.404, reason="0.404 is not"),
        ),
    )


def named() -> dict[str, Conclusion]:
    """Return a conclusion of every kind, by name."""
    differing = memmaps(record(), differ=True)
    records = {
        "reproduced": posted(memmaps(record())),
        "port": memmaps(record()),
        "contradicted": record(tip_ms=(200, 202, 204)),
        "inconclusive": record(base_ms=(270, 272), tip_ms=(109, 110)),
        "tcg": memmaps(record("boot-tcg")),
        "reported": reported(),
        "failed": failed(),
        "lost": lost(),
        "replay": replay(),
        "replay-differs": replay(differ=True),
        "memmaps-differ": replace(
            differing, outcome="failed", reason="the struct pages of nd_pmem differ from base's"
        ),
    }
    made = {name: conclude(rec, claims()) for name, rec in records.items()}
    prefixes = {"prefixes": posted(per_patch()), "prefixes-broken": per_patch_broken()}
    made |= {name: conclude(rec, after_patches()) for name, rec in prefixes.items()}
    made["replay-doubts"] = conclude(replay(), claims(90.0))
    return made | {"everything": everything()}
