# SPDX-License-Identifier: GPL-2.0-only
"""How a conclusion is put into words, the same in every report; escaping is left to the formats."""

import datetime
from typing import NamedTuple

from harness.errors import RecordError
from harness.host.units import format_bytes
from harness.judge.verdict import Verdict
from harness.record.record import BootRun, Evidence, ReplayRun, RunRecord
from harness.series.messages import is_message_id


class _EvidenceWords(NamedTuple):
    clock: str
    may: str


#: What each kind of evidence is, and what its numbers may be used for.
EVIDENCE: dict[Evidence, _EvidenceWords] = {
    "boot-kvm": _EvidenceWords(
        "guest time on a real CPU",
        "decides a claim where guest and procedure match it",
    ),
    "boot-tcg": _EvidenceWords(
        "emulated time (TCG)",
        "can show that base and series build, boot, bind and initialize every page; nothing is "
        "concluded about speed",
    ),
    "boot-icount": _EvidenceWords(
        "executed instructions",
        "compares work done; nothing is concluded about speed",
    ),
    "replay": _EvidenceWords(
        "the compiled function on this CPU, without a guest",
        "supports or doubts a claim; does not decide it",
    ),
}


def evidence(record: RunRecord) -> str:
    """Return what the numbers are and what they may be used for."""
    kind = EVIDENCE[record.evidence]
    return f"{record.evidence}, {kind.clock}: {kind.may}"


def subject(record: RunRecord) -> str:
    """Return what was on trial, and on which kernel."""
    on_trial = record.subject
    if record.is_null:
        return f"{on_trial.slug}: base against itself, v{on_trial.release}"
    part = "" if is_whole(record) else f", {patches(record, record.builds[-1].prefix)}"
    if isinstance(record, BootRun) and record.is_per_patch:
        part = ", patch by patch"
    return f"{on_trial.slug} ({on_trial.source}{part}) on v{on_trial.release}"


def is_whole(record: RunRecord) -> bool:
    """Whether the last build has all patches of the series, not only the first few or none."""
    return record.builds[-1].prefix == len(record.subject.patch_ids)


def setting(record: RunRecord) -> str:
    """Return how often what was done."""
    if isinstance(record, ReplayRun):
        return f"{record.setup.rounds} rounds of {record.setup.passes} passes"
    setup = record.setup
    return f"{setup.guest}, {setup.rebinds} rebinds, {setup.boots} boot(s) a build"


def decides(record: RunRecord) -> bool:
    """Whether this kind of evidence may decide a claim at all."""
    return record.evidence == "boot-kvm"


def is_posted(record: RunRecord) -> bool:
    """Whether the patches are those that were posted, and not our port of them."""
    return bool(message_id(record)) or record.subject.source == f"v{record.subject.version}"


def message_id(record: RunRecord) -> str:
    """Return the mail that introduced the patches, without brackets; "" where there is none."""
    named = record.subject.message_id
    return named if is_message_id(named) else ""


def started(record: RunRecord) -> datetime.datetime:
    """Return when the run began, in UTC. Raises RecordError where the record does not say."""
    try:
        return datetime.datetime.fromisoformat(record.started).astimezone(datetime.UTC)
    except (ValueError, OverflowError) as error:
        raise RecordError(
            f"{record.started!r} is no time",
            where=f"run {record.run_id}, key started",
            expected="ISO 8601, UTC",
        ) from error


def patches(record: RunRecord, prefix: int) -> str:
    """Return what a build has on top of base: `series`, `patches 1-3`, or nothing: `base again`."""
    if prefix == 0:
        return "base again"
    if prefix == len(record.subject.patch_ids):
        return "series"
    return "patch 1" if prefix == 1 else f"patches 1-{prefix}"


def build(record: RunRecord, name: str) -> str:
    """Return what a build is; a replay's variants have no other name than their own."""
    found = record.build(name)
    if found is None or found.kind != "prefix":
        return name
    return patches(record, found.prefix)


_ENDED = {
    "lost": "the run was broken off",
    "timed_out": "the run timed out",
    "panicked": "the guest panicked",
    "failed": "the run failed",
    "complete": "the run is complete",
}


def outcome(record: RunRecord) -> str:
    """Return how the run ended, and why so."""
    ended = _ENDED[record.outcome]
    return f"{ended}: {record.reason}" if record.reason else ended


def about(verdict: Verdict) -> str:
    """Return what a verdict is about: the driver, and the patch after which it is claimed."""
    if verdict.after_patch is None:
        return verdict.driver
    return f"{verdict.driver} after patch {verdict.after_patch}"


def ruling(verdict: Verdict) -> str:
    """Return the verdict in words; a replay supports or doubts what it leaves untested."""
    return f"{verdict.verdict}, {verdict.stance}" if verdict.stance else verdict.verdict


def environment(record: RunRecord) -> list[tuple[str, str]]:
    """Return name and value of whatever one has to know to do it again."""
    host = record.machine
    rows = [
        ("run", record.run_id),
        ("base", f"v{record.subject.release}, commit {record.subject.base[:12]}"),
        ("patches", f"{record.subject.source}, {len(record.subject.patch_ids)} patches"),
        ("CPU", f"{host.cpu}, {host.cpus} CPUs"),
        ("memory", format_bytes(host.memory_bytes)),
        ("host kernel", host.kernel),
        ("accelerator", f"{host.accelerator}: {host.accelerator_proof}"),
        ("compiler", ", ".join(dict.fromkeys(build.compiler for build in record.builds))),
    ]
    if isinstance(record, BootRun):
        rows.append(("guest", f"{record.setup.guest}, plan {record.setup.plan}"))
    pages = ", ".join(f"{name} {count}" for name, count in record.setup.nr_pages.items())
    rows.append(("struct pages", pages))
    rows += list(host.tools.items())
    return rows


def unit(record: RunRecord) -> str:
    """Return what is repeated in this kind of run."""
    return "process" if isinstance(record, ReplayRun) else "boot"


def is_base(record: RunRecord, name: str) -> bool:
    """Whether a build has nothing on top of base: it is base, or base once more."""
    found = record.build(name)
    return found is not None and found.prefix == 0


def prefix(record: RunRecord, name: str) -> str:
    """Return a build's name where it has to stand for itself: a replay's are bare numbers."""
    found = record.build(name)
    return f"prefix-{name}" if found is not None and found.is_numbered else name
