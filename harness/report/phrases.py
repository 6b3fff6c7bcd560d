# SPDX-License-Identifier: GPL-2.0-only
"""Phrases that all reports share, made from a run record or a verdict; pure, not escaped."""

import datetime
from typing import NamedTuple, TypeGuard

from harness.errors import RecordError
from harness.host.units import count, format_bytes
from harness.judge.conditions.fit import unfit, virtual_server
from harness.judge.conditions.noise import Noise
from harness.judge.verdict import Verdict
from harness.record.record import BootRun, Evidence, ReplayRun, RunRecord
from harness.series.mails.messages import is_message_id
from harness.workloads import words


class _EvidenceWords(NamedTuple):
    clock: str
    may: str


#: What each kind of evidence measures, and what its numbers may be used for.
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
    "reported": _EvidenceWords(
        "the kernel's own times, in logs of a machine that is not ours",
        "supports or doubts a claim but does not decide it",
    ),
    "metal": _EvidenceWords(
        "time on a physical machine",
        "decides a claim about a physical host where the procedure matches it",
    ),
    "replay": _EvidenceWords(
        "the compiled function on this CPU, without a guest",
        "supports or doubts a claim but does not decide it",
    ),
}


def evidence(record: RunRecord) -> str:
    """Return the kind of evidence, its clock and what its numbers may be used for."""
    kind = EVIDENCE[record.evidence]
    if reason := unfit_to_decide(record):
        return f"{record.evidence}, {reason}"
    return f"{record.evidence}, {kind.clock}: {kind.may}"


def unfit_to_decide(record: RunRecord) -> str:
    """Return that the host is not fit to decide a claim, and why; empty if it is fit."""
    why = virtual_server(record) or unfit(record.machine)
    return f"not fit to decide: {why}" if why else ""


def subject(record: RunRecord) -> str:
    """Return which patches of which series were tested, and on which kernel."""
    tested = record.subject
    if record.is_null:
        return f"{tested.slug}: base against itself, v{tested.release}"
    part = "" if is_whole(record) else f", {patches(record, record.tip.prefix)}"
    if isinstance(record, BootRun) and record.is_per_patch:
        part = ", patch by patch"
    elif is_of_plan(record):
        part = f", builds of plan {record.setup.plan}"
    return f"{tested.slug} ({tested.source}{part}) on v{tested.release}"


def is_of_plan(record: RunRecord) -> TypeGuard[BootRun]:
    """Return whether its builds are those that the plan names, in place of base and tip."""
    return isinstance(record, BootRun) and record.is_of_plan


def is_whole(record: RunRecord) -> bool:
    """Return whether tip has all patches of the series."""
    return record.tip.prefix == len(record.subject.patch_ids)


def setting(record: RunRecord) -> str:
    """Return the guest and the number of rebinds and boots, or of rounds and passes.

    A host that is not fit to decide is named as well: this is in the first lines of every report.
    """
    why = f"; {unfit_to_decide(record)}" if unfit_to_decide(record) else ""
    if isinstance(record, ReplayRun):
        return f"{count(record.setup.rounds, 'round')} of {record.setup.passes} passes{why}"
    setup = record.setup
    boots, sample = count(setup.boots, "boot"), words(record).sample
    repeated = f", {count(setup.rebinds, sample)} per boot" if sample else ""
    guest = "" if record.evidence == "reported" else f"{setup.guest}, "
    return f"{guest}{boots} per build{repeated}{why}"


def decides(record: RunRecord) -> bool:
    """Return whether this kind of evidence, from this host, can decide a claim at all."""
    return record.evidence in ("boot-kvm", "metal") and not unfit_to_decide(record)


def is_posted(record: RunRecord) -> bool:
    """Return whether the patches are those that were posted, not a port of them."""
    return bool(message_id(record)) or record.subject.source == f"v{record.subject.version}"


def message_id(record: RunRecord) -> str:
    """Return the message-id of the cover letter without brackets, or "" if it is not recorded."""
    named = record.subject.message_id
    return named if is_message_id(named) else ""


def started(record: RunRecord) -> datetime.datetime:
    """Return when the run started, in UTC. Raises RecordError if the record has no valid time."""
    try:
        return datetime.datetime.fromisoformat(record.started).astimezone(datetime.UTC)
    except (ValueError, OverflowError) as error:
        raise RecordError(
            f"{record.started!r} is not a time",
            where=f"run {record.run_id}, key started",
            expected="ISO 8601, UTC",
        ) from error


def patches(record: RunRecord, prefix: int) -> str:
    """Return what a build has on top of base: `series`, `patches 1-3`, or `base again`."""
    if prefix == 0:
        return "base again"
    if prefix == len(record.subject.patch_ids):
        return "series"
    return "patch 1" if prefix == 1 else f"patches 1-{prefix}"


def build(record: RunRecord, name: str) -> str:
    """Return what a build has on top of base; for a variant or the follow-up, its name."""
    found = record.build(name)
    if found is None or found.kind != "prefix":
        return name
    return patches(record, found.prefix)


_ENDED = {
    "lost": "the run was interrupted",
    "timed_out": "the run timed out",
    "panicked": "the guest panicked",
    "failed": "the run failed",
    "complete": "the run is complete",
}


def outcome(record: RunRecord) -> str:
    """Return how the run ended, with the recorded reason."""
    ended = _ENDED[record.outcome]
    return f"{ended}: {record.reason}" if record.reason else ended


def about(verdict: Verdict) -> str:
    """Return what a verdict is about: the metric, the build or the last patch, and the set-up.

    The build is named if the plan names it.
    """
    build = f" of {verdict.build}" if verdict.of_plan else ""
    return (verdict.metric if verdict.claim is None else verdict.claim.about) + build


def gained(record: RunRecord) -> str:
    """Return what a run's gains are called: reductions, unless more of some metric is better."""
    metrics = record.setup.metrics if isinstance(record, BootRun) else ()
    return "gain" if any(metric.better == "higher" for metric in metrics) else "reduction"


def claimed(verdict: Verdict) -> str:
    """Return the claimed gain in percent, or how much worse it may get; a dash for none."""
    if verdict.shown_percent is None:
        return "-"
    if verdict.claim is not None and verdict.claim.at_most_worse_percent is not None:
        return verdict.claim.stated
    return f"{verdict.shown_percent:.1f} %"


def quoted(verdict: Verdict) -> str:
    """Return the lines of the mail that state the claim, or "" if they are not known."""
    return " / ".join(verdict.claim.quotes) if verdict.claim else ""


def noise(found: Noise) -> str:
    """Return a noise finding without its hint."""
    return f"{found.where}: {found.text}"


def environment(record: RunRecord) -> list[tuple[str, str]]:
    """Return names and values of what is needed to repeat the run."""
    host, tested = record.machine, record.subject
    difference = ("patches", f"{tested.source}, {len(tested.patch_ids)} patches")
    if differing := len(tested.commits) + tested.other_commits:
        difference = ("commits", f"{tested.source}, {differing} between base and tip")
    rows = [
        ("run", record.run_id),
        ("base", f"v{tested.release}, commit {tested.base[:12] or 'unknown'}"),
        difference,
        ("CPU", f"{host.cpu}, {host.cpus} CPUs"),
        ("memory", format_bytes(host.memory_bytes)),
        ("host kernel", host.kernel),
        ("accelerator", f"{host.accelerator}: {host.accelerator_proof}"),
        ("compiler", compilers(record)),
    ]
    if isinstance(record, BootRun) and record.evidence != "reported":
        rows.append(("guest", f"{record.setup.guest}, plan {record.setup.plan}"))
    pages = ", ".join(f"{name} {count}" for name, count in record.setup.nr_pages.items())
    if any(record.setup.nr_pages.values()):
        rows.append(("struct pages", pages))
    rows += list(host.tools.items())
    return rows


def compilers(record: RunRecord) -> str:
    """Return the compilers of all builds, each once."""
    found = dict.fromkeys(build.compiler for build in record.builds if build.compiler)
    return ", ".join(found) or "unknown compilers"


def taken_on_trust(record: RunRecord) -> list[str]:
    """Return what logs of another machine do not say, each once; empty for our own runs."""
    boots = record.boots if isinstance(record, BootRun) else ()
    return [*dict.fromkeys(text for boot in boots for text in boot.unvouched)]


def unit(record: RunRecord) -> str:
    """Return what is repeated in this kind of run: `boot` or `process`."""
    return "process" if isinstance(record, ReplayRun) else "boot"


def is_base(record: RunRecord, name: str) -> bool:
    """Return whether a build is base, or base again."""
    found = record.build(name)
    return found is not None and found.kind in ("base", "again")


def prefix(record: RunRecord, name: str) -> str:
    """Return a build's name for use in a test name: `prefix-3` for the bare number 3."""
    found = record.build(name)
    return f"prefix-{name}" if found is not None and found.is_numbered else name
