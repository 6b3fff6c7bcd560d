# SPDX-License-Identifier: GPL-2.0-only
"""Records of replays, built from costs in their rounds."""

from collections.abc import Mapping, Sequence

import msgspec

from harness.record.record import Comparison, Pass, ReplayRun, ReplaySetup
from tests.unit.builders import build, record

PAGES = 1000


def passes(
    name: str, kind: str, costs: Sequence[float], digest: str = "d", pages: int = PAGES
) -> list[Pass]:
    """Return a process per round: a first pass, the cost, and a slower pass, which is ignored."""
    found = []
    for number, cost in enumerate(costs):
        for index, ns in enumerate((cost * 9, cost, cost * 1.1)):
            found.append(
                Pass(
                    build=name,
                    process=number,
                    round=number,
                    index=index,
                    kind=kind,
                    ns=round(ns) + 1,
                    cpu_ns=round(ns),
                    nr_pages=pages,
                    nr_bytes=pages * 64,
                    digest=digest if number == 0 and index == 2 else "",
                )
            )
    return found


def blank() -> ReplayRun:
    """A replay of base and the series that has measured nothing."""
    made = record()
    return ReplayRun(
        run_id=made.run_id,
        subject=made.subject,
        setup=ReplaySetup(schedule_sha256="0" * 64, rounds=3, passes=30, nr_pages={}),
        machine=msgspec.structs.replace(made.machine, accelerator="native"),
        builds=made.builds,
        started=made.started,
        outcome=made.outcome,
        reason=made.reason,
    )


def replay(
    costs: Mapping[str, Sequence[float]],
    *,
    kinds: Sequence[str] = ("order0", "order9"),
    prefixes: Mapping[str, int] | None = None,
    digests: Mapping[str, str] | None = None,
    pages: int = PAGES,
) -> ReplayRun:
    """Return a replay of builds by name, base first; a number is a prefix."""
    names = list(costs)
    known = {name: int(name) if name.isdigit() else 0 for name in names} | dict(prefixes or {})
    made = blank()
    return msgspec.structs.replace(
        made,
        builds=tuple(build(name, known[name]) for name in names),
        setup=msgspec.structs.replace(
            made.setup, nr_pages=dict.fromkeys(kinds, pages), rounds=len(costs[names[0]])
        ),
        passes=tuple(
            p
            for name in names
            for kind in kinds
            for p in passes(name, kind, costs[name], (digests or {}).get(name, "d"), pages)
        ),
        comparisons=tuple(
            Comparison(name, 100, 1, equal=True, detail="") for name in names if known[name]
        ),
    )
