# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as the draft of a reply to the list, in the author's own block form.

Written for its user to read, address and send: nothing here sends mail. Tested-by is a statement of
a person's, so it stands only where all was borne out, and names only the user.
"""

import datetime
import email.message
import email.policy
import email.utils
import re
import textwrap
from collections.abc import Iterator
from email.headerregistry import Address
from typing import NamedTuple

from harness.judge.conclude import Conclusion
from harness.judge.summary import BindingMeans
from harness.record.record import BootRun, Evidence, ReplayRun, RunRecord
from harness.report import identity, phrases, tables
from harness.report.escaping import one_line
from harness.report.formats.tested_by import Person, withheld
from harness.report.tables import Table
from harness.report.terminal import per_patch

WIDTH = 78
#: What the reader of a mail is told, who knows none of our words.
_PLAINLY: dict[Evidence, str] = {
    "boot-kvm": (
        "The times are guest wall time under KVM on the CPU named below, as "
        "memmap_init_zone_device() prints them itself."
    ),
    "boot-tcg": (
        "The guests were emulated (QEMU's TCG, without KVM). That can show that base and series "
        "build, boot, bind and initialize every page. Nothing is concluded about speed: emulated "
        "milliseconds are no CPU's."
    ),
    "boot-icount": (
        "The guests were emulated, and their clock counted executed instructions. That compares "
        "the work done. Nothing is concluded about speed: instructions say nothing of memory."
    ),
    "replay": (
        "The function was taken from each kernel's compiled object and run in user space, on the "
        "CPU named below, without a guest. That supports or doubts a claim; it decides none."
    ),
}
#: What a number is, behind it, where it is not what the author measured.
_MARK: dict[Evidence, str] = {
    "boot-kvm": "",
    "boot-tcg": " (emulated)",
    "boot-icount": " (instructions, as time)",
    "replay": " (replay)",
}
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
#: Tools that gather trailers would take text of others for one.
_TRAILER = re.compile(r"(-by)\s*:", re.IGNORECASE)


class Thread(NamedTuple):
    """What the mail replies to: a subject without `Re:`, a message-id without brackets or ""."""

    subject: str
    message_id: str


def mail(
    conclusion: Conclusion,
    thread: Thread,
    person: Person | None = None,
    date: datetime.datetime | None = None,
) -> bytes:
    """Return the draft. Without a person it has no From and no Tested-by; To and Cc it never has.

    Raises ValueError for a person whose address is none.
    """
    draft = email.message.EmailMessage(email.policy.default.clone(linesep="\n"))
    if person is not None:
        if _ADDRESS.fullmatch(person.address) is None:
            raise ValueError(f"{person.address!r} is no mail address")
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
    yield _wrapped(_safe(_what(record)))
    if record.outcome != "complete":
        yield _wrapped(_safe(f"It did not end well: {phrases.outcome(record)}."))
    yield _wrapped(_PLAINLY[record.evidence])
    yield from _blocks(conclusion)
    if (table := tables.passes(conclusion)).rows:
        yield _columns(table)
        yield "Build N is base with the first N patches; ratios are to base's cost."
    if conclusion.rungs:
        yield _columns(per_patch.table(conclusion))
        yield "Reductions are those of the mean rebind; `parent` is the prefix before."
    found = [f"{one.name}: {one.text}" for one in per_patch.lines(conclusion)]
    found += [
        f"{phrases.about(verdict)}: {phrases.ruling(verdict)}: {verdict.reason}"
        for verdict in conclusion.verdicts
    ]
    found += [_struct_pages(conclusion)]
    found += [
        f"{phrases.build(record, one.build)}: {told}"
        for one in conclusion.identity
        for told in identity.sameness(one)
    ]
    found += [f"{'holds' if g.ok else 'fails'}: {g.rule}: {g.reason}" for g in conclusion.gates]
    yield "\n".join(_wrapped(f"- {_safe(line)}", "  ") for line in found)
    if conclusion.noise:
        spoils = [f"- {noise.where}: {noise.text}" for noise in conclusion.noise]
        yield "\n".join(
            ["What may have spoilt it:", *(_wrapped(_safe(line), "  ") for line in spoils)]
        )
    yield _environment(record)
    if isinstance(record, BootRun) and person is not None and not withheld(conclusion, person):
        scope = (
            f"Tested was no more than this: {_drivers(conclusion)} bound and rebound on "
            f"{record.setup.guest} under KVM, on v{record.subject.release}."
        )
        yield _wrapped(_safe(scope))
        yield f"Tested-by: {one_line(person.name)} <{person.address}>"


def _what(record: RunRecord) -> str:
    subject = record.subject
    on_trial = _on_trial(record)
    if isinstance(record, ReplayRun):
        return f"I ran {on_trial}, on v{subject.release}: {phrases.setting(record)}."
    booted = [
        sum(boot.build == build.name and boot.outcome == "complete" for boot in record.boots)
        for build in record.builds
    ]
    builds = "Base and every prefix that builds" if record.is_per_patch else "The two builds"
    return (
        f"I ran {on_trial}, on v{subject.release}. {builds} were booted in turns, "
        f"{_listed(booted)} time(s), with {record.setup.rebinds} rebinds of each driver a boot."
    )


def _listed(counts: list[int]) -> str:
    *most, last = map(str, counts)
    return f"{', '.join(most)} and {last}" if most else last


def _on_trial(record: RunRecord) -> str:
    subject = record.subject
    if record.is_null:
        return "base against itself"
    if subject.source == f"v{subject.version}":
        on_trial = f"version {subject.version} of this series as posted"
    elif message_id := phrases.message_id(record):
        on_trial = f"the patches of <{message_id}>"
    else:
        on_trial = f"{subject.source} in place of version {subject.version} as posted"
    if isinstance(record, BootRun) and record.is_per_patch:
        on_trial += ", patch by patch"
    elif not phrases.is_whole(record):
        on_trial += f", of which {phrases.patches(record, record.builds[-1].prefix)}"
    return on_trial


def _blocks(conclusion: Conclusion) -> Iterator[str]:
    """Give the author's two blocks; a driver without samples is left out of a build."""
    record = conclusion.record
    summaries = {verdict.driver: verdict.summary for verdict in conclusion.verdicts}
    for heading, build in ((f"Base(v{record.subject.release}):", "base"), (_with(record), "tip")):
        pairs = [(driver, getattr(summary, build)) for driver, summary in summaries.items()]
        blocks = [_block(driver, found, record) for driver, found in pairs if found is not None]
        if blocks:
            yield _safe(heading) + "\n" + "\n\n".join(blocks)


def _with(record: RunRecord) -> str:
    if record.is_null:
        return "Base once more:"
    if phrases.is_whole(record):
        return "With this series:"
    return f"With {phrases.patches(record, record.builds[-1].prefix)} of this series:"


def _block(driver: str, found: BindingMeans, record: RunRecord) -> str:
    mark = _MARK[record.evidence]
    return (
        f"  First binding for {_safe(driver)} driver: {tables.ms(found.first_ms)} ms{mark}\n"
        f"  Average of subsequent rebinds: {tables.ms(found.rebind_mean_ms)} ms{mark}"
    )


def _columns(table: Table) -> str:
    """Return a table in columns; a replay's is narrow enough by its making."""
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


def _struct_pages(conclusion: Conclusion) -> str:
    if told := identity.unlike(conclusion):
        return "; ".join(told)
    if not conclusion.memmaps:
        return "struct pages: not compared"
    return f"struct pages: as base left them, in all {len(conclusion.memmaps)} comparisons"


def _drivers(conclusion: Conclusion) -> str:
    return " and ".join(dict.fromkeys(verdict.driver for verdict in conclusion.verdicts))


def _environment(record: RunRecord) -> str:
    rows = phrases.environment(record)
    width = max(len(_safe(name)) for name, _ in rows)
    return "\n".join(
        _wrapped(f"  {_safe(name).ljust(width)}  {_safe(value)}", " " * (width + 4))
        for name, value in rows
    )


def _wrapped(text: str, indent: str = "") -> str:
    """Return text in lines of at most WIDTH columns, later ones indented."""
    start = text[: len(text) - len(text.lstrip())]
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent="",
        subsequent_indent=indent or start,
        break_on_hyphens=False,
    )


def _safe(text: str) -> str:
    return _TRAILER.sub(r"\1=", one_line(text))
