# SPDX-License-Identifier: GPL-2.0-only
"""Conclusions for the reports, one of each kind that there is: what the goldens are made of."""

import msgspec

from harness.analysis.compare import Identity, Pin, SymbolSize
from harness.analysis.conclude import Conclusion, conclude
from harness.analysis.noise import Noise
from harness.analysis.nulls import NullSeen
from harness.analysis.rules import Gated
from harness.analysis.verify import Verified
from harness.model.record import (
    Boot,
    Comparison,
    Finding,
    Log,
    Memmap,
    Pass,
    RunRecord,
)
from tests.unit.builders import PAGES, claims, record, side

replace = msgspec.structs.replace

SPLAT = """\
[    1.000000] ------------[ cut here ]------------
[    1.000000] WARNING: CPU: 0 PID: 1 at mm/mm_init.c:1080 memmap_init_zone_device+0x1/0x2
[    1.000000] ---[ end trace 0000000000000000 ]---"""


def memmaps(rec: RunRecord, *, differ: bool = False) -> RunRecord:
    """The record with the memmaps that its boots left; tip's differ if asked for."""

    def left(boot: Boot) -> tuple[Memmap, ...]:
        digest = "b" if differ and boot.side == "tip" else "a"
        return tuple(Memmap(driver, PAGES, digest * 64) for driver in rec.setup.nr_pages)

    return replace(rec, boots=tuple(replace(boot, memmaps=left(boot)) for boot in rec.boots))


def posted(rec: RunRecord) -> RunRecord:
    """The record as of patches that were taken from the list."""
    subject = replace(
        rec.subject,
        source="v2",
        patch_sha256=("1" * 64, "2" * 64),
        message_id="cover@example.org",
    )
    return replace(rec, subject=subject)


def passes(name: str, kind: str, ns_per_page: float) -> list[Pass]:
    pages = 1 << 20
    return [
        Pass(
            side=name,
            process=number,
            round=number,
            index=index,
            kind=kind,
            ns=int(pages * ns_per_page * (10 if index == 0 else 1 + number / 500)),
            cpu_ns=int(pages * ns_per_page * (10 if index == 0 else 1 + number / 500)),
            nr_pages=pages,
            nr_bytes=pages * 64,
            digest="a" * 64 if (number, index) == (0, 2) and name != "limit" else "",
        )
        for number in range(5)
        for index in range(3)
    ]


def replay(*, differ: bool = False) -> RunRecord:
    """A replay of base and two prefixes, with the memory's limit."""
    rec = record("boot-tcg")
    sides = (side("base", 0), side("1", 1), side("2", 2))
    made = []
    for name, share in (("base", 1.0), ("1", 0.9), ("2", 0.45)):
        made += passes(name, "order0", 4.6 * share) + passes(name, "order9", 5.2 * share)
    made += passes("limit", "movnti", 1.9) + passes("limit", "memset", 4.0)
    detail = "struct page 7: flags differ" if differ else ""
    return replace(
        rec,
        evidence="replay",
        boots=(),
        sides=sides,
        passes=tuple(made),
        comparisons=(
            Comparison("1", 3000, 1, equal=True, detail=""),
            Comparison("2", 3000, 1, equal=not differ, detail=detail),
        ),
        setup=replace(
            rec.setup,
            plan="replay",
            guest="none",
            rebinds=3,
            boots=5,
            nr_pages={"order0": 1 << 20, "order9": 1 << 20},
        ),
        machine=replace(rec.machine, accelerator="native", accelerator_proof="no guest", tools={}),
    )


def broken(rec: RunRecord, **changes: object) -> RunRecord:
    """The record with its last boot (of tip) changed."""
    *good, last = rec.boots
    return replace(rec, boots=(*good, replace(last, **changes)))


def failed() -> RunRecord:
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


def lost() -> RunRecord:
    """A run that was broken off in its second boot."""
    rec = record()
    return replace(
        rec,
        boots=(rec.boots[0], Boot("tip", 0)),
        outcome="lost",
        reason="the run has not ended",
        finished=None,
    )


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
            Verified(boot.side, boot.number, driver, PAGES, PAGES)
            for boot in made.record.boots
            for driver in ("nd_pmem", "dax_pmem")
        ),
        null=NullSeen("20260101T010000-abcdef", ""),
        gates=(
            Gated("nd_pmem.rebind.ratio<0.6", ok=True, value=0.404, reason="0.404 is below 0.6"),
            Gated("dax_pmem.rebind.ratio<0.3", ok=False, value=0.404, reason="0.404 is not"),
        ),
    )


def named() -> dict[str, Conclusion]:
    """Every conclusion that has goldens, by name."""
    differing = memmaps(record(), differ=True)
    records = {
        "reproduced": posted(memmaps(record())),
        "port": memmaps(record()),
        "contradicted": record(tip_ms=(200, 202, 204)),
        "inconclusive": record(base_ms=(270, 272), tip_ms=(109, 110)),
        "tcg": memmaps(record("boot-tcg")),
        "failed": failed(),
        "lost": lost(),
        "replay": replay(),
        "replay-differs": replay(differ=True),
        "memmaps-differ": replace(
            differing, outcome="failed", reason="the struct pages of nd_pmem differ from base's"
        ),
    }
    made = {name: conclude(rec, claims()) for name, rec in records.items()}
    return made | {"everything": everything()}
