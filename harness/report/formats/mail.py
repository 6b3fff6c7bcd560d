# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as the draft of a reply to the list, in the form of its cover letter; pure.

The user reads, addresses and sends it. Tested-by is the statement of a person: the draft has it
only if every claim is reproduced, and only in the name of the user.
"""

import datetime
import email.message
import email.policy
import email.utils
import re
import textwrap
from collections.abc import Iterable, Iterator
from email.headerregistry import Address
from typing import NamedTuple

from harness import workloads
from harness.host import units
from harness.judge.conclude import Conclusion
from harness.judge.summary import BindingMeans
from harness.judge.verdict import Verdict
from harness.record.record import BootRun, Evidence, ReplayRun, RunRecord
from harness.report import lines, phrases, tables
from harness.report.escaping import one_line
from harness.report.formats.tested_by import Person, withheld
from harness.report.lines import Line
from harness.report.tables import Table

WIDTH = 78
#: What the numbers are, for readers who do not know the harness; {} prints the figures.
_EXPLAINED: dict[Evidence, str] = {
    "boot-kvm": (
        "The times are guest wall time under KVM on the CPU named below, as printed by {}."
    ),
    "boot-tcg": (
        "The guests were emulated (QEMU's TCG, without KVM). That can show that base and series "
        "build, boot, bind and initialize every page. Nothing is concluded about speed: emulated "
        "time is not that of a CPU."
    ),
    "boot-icount": (
        "The guests were emulated, and their clock counted executed instructions. That compares "
        "the work done. Nothing is concluded about speed: memory accesses have no cost in it."
    ),
    "reported": (
        "The times are those that {} printed, in kernel logs of a machine that others "
        "ran. That supports or doubts a claim; it does not decide it."
    ),
    "metal": ("The times are those of a physical machine, the one named below, as printed by {}."),
    "replay": (
        "The function was taken from each kernel's compiled object and run in user space, on the "
        "CPU named below, without a guest. That supports or doubts a claim; it does not decide it."
    ),
}
#: Follows each number that is not a time on a real CPU.
_MARK: dict[Evidence, str] = {
    "boot-kvm": "",
    "boot-tcg": " (emulated)",
    "boot-icount": " (instructions, as time)",
    "reported": " (reported)",
    "metal": "",
    "replay": " (replay)",
}
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
#: Tools that collect trailers must not find one in quoted text.
_TRAILER = re.compile(r"(-by)\s*:", re.IGNORECASE)


class Thread(NamedTuple):
    """The mail to reply to: subject without `Re:`, message-id without brackets or ""."""

    subject: str
    message_id: str


def mail(
    conclusion: Conclusion,
    thread: Thread,
    person: Person | None = None,
    date: datetime.datetime | None = None,
) -> bytes:
    """Return the draft, without To and Cc; without a person also without From and Tested-by.

    Raises ValueError if the address of the person is not a mail address.
    """
    draft = email.message.EmailMessage(email.policy.default.clone(linesep="\n"))
    if person is not None:
        if _ADDRESS.fullmatch(person.address) is None:
            raise ValueError(f"{person.address!r} is not a mail address")
        draft["From"] = Address(one_line(person.name), addr_spec=person.address)
    if date is not None:
        draft["Date"] = email.utils.format_datetime(date)
    draft["Subject"] = f"Re: {one_line(thread.subject, 200)}"
    if thread.message_id:
        draft["In-Reply-To"] = draft["References"] = f"<{thread.message_id}>"
    body = "\n\n".join(_paragraphs(conclusion, person)) + "\n"
    draft.set_content(body, charset="utf-8", cte="7bit" if body.isascii() else "8bit")
    return draft.as_bytes()


def _paragraphs(conclusion: Conclusion, person: Person | None) -> Iterator[str]:
    record = conclusion.record
    yield _wrapped(_safe(_tested(record)))
    if record.outcome != "complete":
        yield _wrapped(_safe(f"The run is not complete: {phrases.outcome(record)}."))
    yield _wrapped(_explained(record))
    yield from _blocks(conclusion)
    for part in conclusion.parts:
        if isinstance(part.record, ReplayRun):
            yield from _of_replay(part, beside_boots=part is not conclusion)
    if conclusion.prefixes:
        yield _columns(tables.prefixes(conclusion))
        yield "Reductions are of the mean rebind time; `parent` is the prefix before."
    yield _list(
        f"{line.name}: {line.text}"
        for line in (
            *lines.patches(conclusion),
            *lines.verdicts(conclusion),
            *lines.replay(conclusion),
            *(tuple(lines.memmaps(conclusion)) or (Line("struct pages", "not compared"),)),
            *lines.sameness(conclusion),
            *lines.unvouched(conclusion),
            *lines.rules(conclusion),
        )
    )
    if noise := [phrases.noise(one) for part in conclusion.parts for one in part.noise]:
        yield f"Possible disturbances:\n{_list(noise)}"
    yield _environment(record)
    if isinstance(record, BootRun) and person is not None and not withheld(conclusion, person):
        metrics = " and ".join(dict.fromkeys(verdict.metric for verdict in conclusion.booted))
        scope = (
            f"Scope of the test: {metrics} {workloads.words(record).tested} in guest "
            f"{record.setup.guest} under KVM, on v{record.subject.release}."
        )
        yield _wrapped(_safe(scope))
        yield f"Tested-by: {one_line(person.name)} <{person.address}>"


def _explained(record: RunRecord) -> str:
    words = workloads.words(record)
    said = _EXPLAINED[record.evidence].format(words.printed_by)
    return f"{said} {words.on_metal}" if record.evidence == "metal" and words.on_metal else said


def _list(texts: Iterable[str]) -> str:
    return "\n".join(_wrapped(f"- {_safe(text)}", "  ") for text in texts)


def _tested(record: RunRecord) -> str:
    tested = f"I tested {_patches(record)}, on v{record.subject.release}"
    if isinstance(record, ReplayRun):
        return f"{tested}: {phrases.setting(record)}."
    setup = record.setup
    if record.evidence == "reported":
        return (
            f"I read kernel logs of base and of version {record.subject.version} of this series, "
            f"on v{record.subject.release}, that others sent: at least "
            f"{units.count(setup.boots, 'boot')} of each{_repeated(record, 'at least ')}."
        )
    booted = [
        sum(boot.build == build.name and boot.outcome == "complete" for boot in record.boots)
        for build in record.builds
    ]
    builds = "Base and every prefix that builds" if record.is_per_patch else "Both builds"
    *most, last = map(str, booted)
    return (
        f"{tested}. {builds} were booted alternately, {', '.join(most)} and {last} "
        f"times{_repeated(record)}."
    )


def _repeated(record: BootRun, at_least: str = "") -> str:
    """Return how often a boot repeats what is measured; "" for once."""
    words = workloads.words(record)
    if not words.sample:
        return ""
    rebinds = units.count(record.setup.rebinds, words.sample)
    return f", with {at_least}{rebinds} of each {words.metric} per boot"


def _patches(record: RunRecord) -> str:
    subject = record.subject
    if record.is_null:
        return "base against itself"
    if subject.source == f"v{subject.version}":
        tested = f"version {subject.version} of this series as posted"
    elif message_id := phrases.message_id(record):
        tested = f"the patches of <{message_id}>"
    elif not subject.version:
        tested = subject.source
    else:
        tested = f"{subject.source} instead of version {subject.version} as posted"
    if isinstance(record, BootRun) and record.is_per_patch:
        tested += ", patch by patch"
    elif phrases.is_of_plan(record):
        tested += f", builds of plan {record.setup.plan}"
    elif not phrases.is_whole(record):
        tested += f" ({phrases.patches(record, record.tip.prefix)} only)"
    return tested


def _of_replay(conclusion: Conclusion, *, beside_boots: bool) -> Iterator[str]:
    if beside_boots:
        yield _wrapped(_EXPLAINED["replay"])
    if sentences := [text for v in conclusion.verdicts if (text := _replayed(conclusion, v))]:
        yield _wrapped(_safe(" ".join(sentences)))
    if (table := tables.passes(conclusion)).rows:
        yield _columns(table)
        yield "Build N is base with the first N patches; ratios are relative to base."


def _replayed(conclusion: Conclusion, verdict: Verdict) -> str:
    """Return what a replay measured for a claim about its last build, in a sentence, or ""."""
    effect = verdict.effect
    if effect is None or effect.gain is None or verdict.build != conclusion.record.tip.name:
        return ""
    low, high = effect.gain
    build = phrases.build(conclusion.record, verdict.build)
    return (
        f"With {'the series' if build == 'series' else build} the function takes {low:.1f} % to "
        f"{high:.1f} % less time on this CPU (95 % interval, {effect.kind}); "
        f"{phrases.claimed(verdict)} is claimed for {phrases.about(verdict)}."
    )


def _blocks(conclusion: Conclusion) -> Iterator[str]:
    """Yield a block of figures per build, as in the cover letter, without unmeasured drivers."""
    record = conclusion.record
    if phrases.is_of_plan(record):
        yield _columns(tables.builds(conclusion))
        return
    summaries = {verdict.metric: verdict.summary for verdict in conclusion.booted}
    for heading, build in ((f"Base(v{record.subject.release}):", "base"), (_with(record), "tip")):
        pairs = [(metric, getattr(summary, build)) for metric, summary in summaries.items()]
        blocks = [_block(metric, found, record) for metric, found in pairs if found is not None]
        if blocks:
            yield _safe(heading) + "\n" + "\n\n".join(blocks)


def _with(record: RunRecord) -> str:
    if record.is_null:
        return "Base again:"
    if phrases.is_whole(record):
        return "With this series:"
    return f"With {phrases.patches(record, record.tip.prefix)} of this series:"


def _block(metric: str, found: BindingMeans, record: RunRecord) -> str:
    mark = _MARK[record.evidence]
    unit = record.setup.metric(metric).shown_unit if isinstance(record, BootRun) else "ms"
    name, average = _safe(metric), f"{tables.ms(found.rebind_mean_ms)} {unit}{mark}"
    words = workloads.words(record)
    if found.first_ms is None:
        return f"  {words.mail_mean.format(name)}: {average}"
    return (
        f"  {words.mail_first.format(name)}: {tables.ms(found.first_ms)} ms{mark}\n"
        f"  {words.mail_later.format(name)}: {average}"
    )


def _columns(table: Table) -> str:
    """Return a table as columns of text."""
    parts = [heading.partition("\n") for heading in table.headings]
    rows = [tuple(above for above, _, _ in parts), tuple(below for _, _, below in parts)]
    rows = [tuple(map(_safe, row)) for row in (*rows, *table.rows) if any(row)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(parts))]
    gap = "  " if sum(widths) + 2 * len(widths) <= WIDTH else " "
    return "\n".join(
        gap.join(
            cell.ljust(width) if n < table.texts else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _environment(record: RunRecord) -> str:
    rows = phrases.environment(record)
    width = max(len(_safe(name)) for name, _ in rows)
    return "\n".join(
        _wrapped(f"  {_safe(name).ljust(width)}  {_safe(value)}", " " * (width + 4))
        for name, value in rows
    )


def _wrapped(text: str, indent: str = "") -> str:
    """Return text in lines of at most WIDTH columns, all but the first indented."""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _safe(text: str) -> str:
    return _TRAILER.sub(r"\1=", one_line(text))
