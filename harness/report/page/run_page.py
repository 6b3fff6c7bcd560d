# SPDX-License-Identifier: GPL-2.0-only
"""One run as an HTML page: self-contained, without scripts, all text of others escaped."""

import base64
import functools
import hashlib
import shlex
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from harness.host.units import format_bytes
from harness.judge.conclude import Conclusion
from harness.judge.ratios.per_patch import cost_steps
from harness.judge.ratios.ratios import Effect
from harness.record.metric import Metric
from harness.record.record import BootRun, ReplayRun, RunRecord
from harness.report import claims, identity, lines, phrases, tables
from harness.report.escaping import printable
from harness.report.lines import TONE, Line
from harness.report.page import NOTHING
from harness.report.page.strips import draw_strip, strips
from harness.report.page.waterfall import draw_waterfall
from harness.report.tables import Table
from harness.report.verdict_line import answer

TEMPLATES = "templates"
NAME = "report.html"


def page(
    conclusion: Conclusion, *, has: Callable[[str], bool], home: str = "./", index: str = ""
) -> str:
    """Return the page of a run.

    `has` tells whether a file in the folder of the run exists: only then it is linked. `home` is
    the path from the page to that folder, `index` that to the page of all runs, if there is one.
    """
    record = conclusion.record
    parts = conclusion.parts
    first = answer(conclusion)
    samples = [strip for part in parts for strip in strips(part)]
    return (
        environment()
        .get_template("run.html")
        .render(
            it=conclusion,
            parts=[_Part(part) for part in parts],
            question=_question(record),
            answer=first,
            clock=phrases.EVIDENCE[record.evidence].clock,
            tone=TONE,
            claims=claims.rows(conclusion),
            exceptions=[one for one in _exceptions(conclusion) if one.text not in first.because],
            judged=[] if record.is_null else list(lines.judged(conclusion)),
            patches=list(_patches(conclusion)),
            prefixes=tables.prefixes(conclusion),
            waterfalls=[
                draw_waterfall(one)
                for part in parts
                for one in cost_steps(part)
                if len(one.steps) > 1
            ],
            strips=[draw_strip(one) for one in samples if one.op != "first"],
            firsts=[draw_strip(one) for one in samples if one.op == "first"],
            numbered=any(build.is_numbered for part in parts for build in part.record.builds),
            spoiled=isinstance(record, BootRun)
            and any(boot.samples and not boot.counts for boot in record.boots),
            explained=list(lines.traffic(conclusion)),
            clocks=list(lines.clocks(conclusion)),
            memmaps=list(lines.memmaps(conclusion)),
            same=next(filter(None, map(identity.summary, parts)), ""),
            compilers=phrases.compilers(record),
            replayed=isinstance(record, ReplayRun),
            has=lambda path: ".." not in path.split("/") and has(path),
            home=home,
            index=index,
        )
    )


class _Part:
    """One of a conclusion's runs, as templates show it."""

    def __init__(self, it: Conclusion) -> None:
        self.it = it
        self.record = it.record
        self.replayed = isinstance(it.record, ReplayRun)
        self.setting = phrases.setting(it.record)
        self.evidence = phrases.evidence(it.record)
        self.bindings = tables.builds(it) if phrases.is_of_plan(it.record) else _times(it)
        self.passes, self.traffic = tables.passes(it), tables.traffic(it)
        self.samples = _samples(it.record)
        self.named = functools.partial(phrases.build, it.record)


def _exceptions(conclusion: Conclusion) -> Iterator[Line]:
    """Yield what the rows of the claims do not say: why some are undecided, and what limits all."""
    if not conclusion.record.is_null:
        yield from claims.reasons(conclusion)
    yield from lines.disagreements(conclusion)
    yield from lines.own(conclusion)
    yield from lines.commits(conclusion)
    yield from lines.replay(conclusion)
    yield from lines.rules(conclusion)
    yield from lines.unvouched(conclusion)


def _patches(conclusion: Conclusion) -> Iterator[Line]:
    """Yield the subject of each patch and, of a per-patch run, what is wrong with it."""
    if conclusion.prefixes:
        yield from lines.patches(conclusion)
        return
    for number, subject in enumerate(conclusion.record.subject.patch_subjects, 1):
        yield Line(f"patch {number}", subject)


def _times(conclusion: Conclusion) -> Table:
    """Return the table without reductions: the verdicts have them."""
    bindings = tables.bindings(conclusion)
    rows = [row[:4] for row in bindings.rows]
    return Table(bindings.headings[:4], rows, bindings.texts)


def _question(record: RunRecord) -> str:
    tested = record.subject
    here = f"on v{tested.release}, on this machine?"
    if record.is_null:
        return f"Does base differ from itself, {here}"
    if tested.commits or tested.other_commits:
        return f"What do the commits of {tested.source} change, {here}"
    series = f"{tested.slug} v{tested.version}" if tested.version else tested.slug
    if phrases.is_of_plan(record):
        return f"What do the builds of plan {record.setup.plan} do, {here}"
    if phrases.is_whole(record):
        return f"Does {series} do what its cover letter says, {here}"
    if isinstance(record, BootRun) and record.is_per_patch:
        return f"What does each patch of {series} do, {here}"
    part = phrases.patches(record, record.tip.prefix)
    return f"What {'does' if part == 'patch 1' else 'do'} {part} of {series} do, {here}"


@functools.cache
def environment() -> jinja2.Environment:
    """Return the templates; every value is escaped unless it is Markup made here."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
        auto_reload=False,
    )
    style = _source("page.css")
    made.globals |= {"style": Markup(style), "style_hash": style_hash(style)}  # noqa: S704 (ours)
    made.filters |= {
        "claimed": claims.claimed,
        "capital": lambda text: text[:1].upper() + text[1:],
        "sentence": lambda text: text if text.endswith((".", "!", "?")) else f"{text}.",
        "basename": lambda path: path.rpartition("/")[2],
        "bytes": format_bytes,
        "command": shlex.join,
        "cost": _cost,
        "tone": lambda cell: tables.TONES.get(cell, ""),
    }
    return made


def style_hash(style: str) -> str:
    """Return the source expression of a style element for a Content-Security-Policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


def _source(name: str) -> str:
    return (resources.files("harness.report.page") / TEMPLATES / name).read_text("utf-8")


def _clean(value: Any) -> Any:
    """Return a string with control characters as escapes: HTML forbids most of them."""
    return printable(value) if type(value) is str and not value.isprintable() else value


def _cost(effect: Effect, cost: float) -> str:
    if effect.cost_unit == "instructions":
        return f"{cost:.2f} instructions"
    metric = Metric(effect.kind, effect.cost_unit)
    return f"{metric.shown(cost):.2f} {metric.shown_unit}".rstrip()


def _samples(record: RunRecord) -> Table:
    """Return all samples in the order they were measured, in milliseconds."""
    replayed = isinstance(record, ReplayRun)
    rows = _passes(record) if isinstance(record, ReplayRun) else _bindings(record)
    headings = ("round" if replayed else "boot", "build", "kind", "first", "then")
    return Table(headings, list(rows), len(headings))


def _bindings(record: BootRun) -> Iterator[tuple[str, ...]]:
    for boot in record.boots:
        for metric in record.setup.nr_pages:
            ours = [s for s in boot.samples if s.metric == metric]
            first = [s.ns for s in ours if s.op == "first"]
            then = [s.ns for s in ours if s.op == "rebind"]
            if ours:
                yield str(boot.number), boot.build, metric, _texts(first), _texts(then)


def _passes(record: ReplayRun) -> Iterator[tuple[str, ...]]:
    grouped: dict[tuple[int, str, int, str], list[tuple[int, int]]] = {}
    for p in record.passes:
        if p.index == 0 or not p.settles:
            kind = p.kind if p.slice is None or not p.nr_pages else f"{p.kind}, {p.nr_pages} pages"
            grouped.setdefault((p.process, p.build, p.round, kind), []).append((p.index, p.cpu_ns))
    for (_, build, number, kind), passes in grouped.items():
        first = [ns for index, ns in passes if index == 0]
        then = [ns for index, ns in passes if index]
        yield str(number), build, kind, _texts(first), _texts(then)


def _texts(times_ns: list[int]) -> str:
    return ", ".join(f"{ns / 1e6:.5g}" for ns in times_ns) or NOTHING
