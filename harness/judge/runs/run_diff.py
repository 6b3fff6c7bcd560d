# SPDX-License-Identifier: GPL-2.0-only
"""Compares two records of the same kind: whether they are comparable, and what changed. Pure.

Only the series, its version, the base's commit and the time may differ. Each tip is compared with
its own base, so that changes of the machine between the runs cancel.
"""

from collections.abc import Sequence

import msgspec

from harness.errors import NotComparable
from harness.judge.conditions.comparable import NOT_KNOWN, identity
from harness.judge.ratios.ratios import Effect, clock, effects
from harness.judge.runs.pair import beside_base
from harness.judge.stats.ratio import Ratio, unpaired
from harness.judge.tabulate import Op, RunTable, tabulate
from harness.memmap.compare import by_digest
from harness.record.record import BootRun, ReplayRun, RunRecord


class Change(msgspec.Struct, frozen=True):
    """The change from a first record to a second, for one driver or page order.

    `before` and `after` are tip over base in each; `ratio` is `after` over `before`. `base` is the
    second's base over the first's: the change of the kernel or the machine, not of the series.
    """

    kind: str
    op: Op
    before: float
    after: float
    ratio: Ratio
    base: Ratio


def pinned(record: RunRecord) -> dict[str, str]:
    """Return the fields that two records must share, by their names in the record."""
    machine, base = record.machine, record.builds[0]
    found = {
        "evidence": record.evidence,
        "machine.cpu": machine.cpu,
        "machine.cpus": str(machine.cpus),
        "machine.memory_bytes": str(machine.memory_bytes),
        "machine.kernel": machine.kernel,
        "machine.accelerator": machine.accelerator,
        **_pinned_setup(record),
        "builds[0].compiler": base.compiler,
        "builds[0].options": base.options_sha256 or base.config_sha256,
    }
    found |= {f"machine.tools.{name}": said for name, said in machine.tools.items()}
    return found | {
        f"setup.nr_pages.{kind}": str(pages) for kind, pages in record.setup.nr_pages.items()
    }


def _pinned_setup(record: RunRecord) -> dict[str, str]:
    if isinstance(record, ReplayRun):  # whose schedule may differ in rounds and seed
        return {"setup.passes": str(record.setup.passes)}
    setup = record.setup
    return {
        "setup.guest": setup.guest,
        "setup.guest_sha256": setup.guest_sha256,
        "setup.rebinds": str(setup.rebinds),
    }


def differing(first: RunRecord, second: RunRecord) -> str:
    """Return the first field in which two records differ; empty if they are comparable."""
    ours, theirs = pinned(first), pinned(second)
    for name in dict.fromkeys((*ours, *theirs)):
        values = [found.get(name) or NOT_KNOWN for found in (ours, theirs)]
        if values[0] != values[1]:
            return f"{name} differs: {values[0]} and {values[1]}"
    return ""


def compare(first: RunRecord, second: RunRecord) -> tuple[Change, ...]:
    """Return what changed between two records' tips, each relative to its own base.

    Of a per-patch run, only base and tip are compared. Raises NotComparable, naming the field that
    differs, or the record that cannot be compared.
    """
    where = f"{first.run_id} and {second.run_id}"
    tables = [tabulate(_ends(record)) for record in (first, second)]
    for table in tables:
        _require_whole(table)
    unequal = differing(*(table.record for table in tables))
    if unequal:
        raise NotComparable(unequal, where=where)
    before, after = (_of_tip(table) for table in tables)
    if not before.keys() & after.keys():
        raise NotComparable("have no times that both count", where=where)
    return tuple(_change(tables, before[key], after[key]) for key in before if key in after)


def _ends(record: RunRecord) -> RunRecord:
    """Return the record, or the part of a per-patch run that is about base and tip."""
    if not isinstance(record, BootRun) or not record.is_per_patch:
        return record
    tip = record.tip
    for missing in record.unbuilt:
        if missing.prefix > tip.prefix:
            what = f"has no tip: patch {missing.prefix} does not build"
            raise NotComparable(what, where=record.run_id)
    return beside_base(record, tip, by_digest(record))


def _require_whole(table: RunTable) -> None:
    record = table.record
    if record.outcome != "complete":
        raise NotComparable(f"is {record.outcome}: {record.reason}", where=record.run_id)
    proof = next(one for one in identity(table) if one.build == record.tip.name)
    for pin in proof.pins:
        if not pin.equal:
            what = f"{pin.name} differs between base and {proof.build}: {pin.base} and {pin.tip}"
            raise NotComparable(what, where=record.run_id)


def _of_tip(table: RunTable) -> dict[tuple[str, Op], Effect]:
    """Return the effects on the last build by the run's own clock."""
    record = table.record
    ours = (e for e in effects(table) if e.build == record.tip.name)
    return {(e.kind, e.op): e for e in ours if e.cost_unit == clock(record, e.kind)}


def _change(tables: Sequence[RunTable], before: Effect, after: Effect) -> Change:
    kind, op = before.kind, before.op
    (earlier, before_pairs), (later, after_pairs) = (_costs(table, kind, op) for table in tables)
    return Change(
        kind,
        op,
        before.ratio,
        after.ratio,
        unpaired(before_pairs, after_pairs),
        unpaired(earlier, later),
    )


def _costs(table: RunTable, kind: str, op: Op) -> tuple[list[float], list[float]]:
    """Return base's costs, and tip's over base's by round (over base's median without rounds)."""
    record = table.record
    base, tip = (table.units[one.name, kind, op] for one in (record.builds[0], record.tip))
    rounds = sorted(base.costs.keys() & tip.costs.keys())
    pairs = [tip.costs[n] / base.costs[n] for n in rounds]
    return base.values, pairs or [cost / base.median for cost in tip.values]
