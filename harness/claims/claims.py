# SPDX-License-Identifier: GPL-2.0-only
"""Reads the mails of a posted version and returns its claims, each with the lines that state it.

Fails closed: a figure whose driver, binding, build or patch the text leaves open is a problem of
its line, and figures that contradict each other are fatal problems.
"""

import datetime
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from harness.claims.figures import Stated, read_figures
from harness.claims.message import LineProblem, Passage, read_message
from harness.claims.procedure import Procedure, other_namespace, read_procedure
from harness.claims.vocabulary import NamedSetup
from harness.claims.words import Words, words_of
from harness.project.claim import Claim, Figures, PostedNumber
from harness.series.mails.messages import Mail, read_mails
from harness.workloads import DEFAULT

_CALL = re.compile(r"\b([a-z_]\w{2,80})\(\)")
#: C files in a diffstat, as in cover letters, and in diffs.
_SOURCE = re.compile(r"^(?: (\S+\.c) +\| +\d+ |diff --git a/(\S+\.c) b/)", re.MULTILINE)
_KINDS = {
    "first": "first bindings",
    "mean": "averages",
    "percent": "percentages",
    "times": "factors",
}


class UserAnswers(msgspec.Struct, frozen=True):
    """What the user adds to the mails: version, number of a patch (0: cover letter), rebinds.

    `lines` are the first and last line of the file to read; `workload` is what the series changes.
    """

    version: int | None = None
    patch: int | None = None
    rebinds: int | None = None
    lines: tuple[int, int] | None = None
    workload: str = DEFAULT


class Posting(msgspec.Struct, frozen=True):
    """What the mails of one posted version say; None means that they do not.

    Without a version the claims have version 0. Claims have no guest: `procedure` describes it.
    `lines` are the line numbers that state each claim; `has_cover` if the cover letter is among
    the mails; `sources` are the C files that the mails patch, `functions` those they name.
    """

    version: int | None
    title: str
    patches: int | None
    date: datetime.date | None
    cover: str | None
    has_cover: bool
    procedure: Procedure
    claims: tuple[Claim, ...]
    lines: tuple[tuple[int, ...], ...]
    problems: tuple[LineProblem, ...]
    sources: tuple[str, ...]
    functions: tuple[str, ...]

    @property
    def fatal(self) -> LineProblem | None:
        """The first problem that must be solved before the claims can be used."""
        return _fatal(self.problems)


class _MetricFigures(msgspec.Struct):
    """The figures of one driver after one patch (None: the whole series) on one set-up, by kind.

    `quotes` are the lines that state them, by number.
    """

    metric: str
    after_patch: int | None
    setup: NamedSetup | None
    base: dict[str, Stated] = {}
    tip: dict[str, Stated] = {}
    quotes: dict[int, str] = {}


_Groups = dict[tuple[str, int | None, NamedSetup | None], _MetricFigures]


def read_posting(raw: bytes, given: UserAnswers) -> Posting:
    """Return what mails, or a page of an archive, say. Any bytes give a posting."""
    mails, problems = _mails_of_version(read_mails(raw), given)
    groups, procedure = _read(mails, given, problems)
    rebinds = given.rebinds or procedure.rebinds
    tags = [mail.tag for mail in mails if mail.tag]
    version = given.version or (tags[0].version if tags else None)
    if groups and rebinds is None and not _fatal(problems):
        problems.append(_whole_file("does not say how many rebinds; give --rebinds N"))
    found = [(_claim(g, version or 0, rebinds or 1, procedure, problems), g) for g in groups]
    claims = [(claim, tuple(sorted(group.quotes))) for claim, group in found if claim]
    if not claims and not _fatal(problems):
        problems.append(_whole_file("contains no claim that can be read"))
    cover = next((x for x in mails if x.tag and x.tag.number == 0), None)
    first = cover or (mails[0] if mails else None)
    sources = [m[1] or m[2] for x in mails for m in _SOURCE.finditer(x.text)]
    functions = [name for x in mails for name in _CALL.findall(x.text)]
    return Posting(
        version=version,
        title=first.title if first else "",
        patches=tags[0].total if tags else None,
        date=first.date if first else None,
        # A patch answers to its cover letter.
        cover=cover.message_id if cover else (first.thread or first.message_id if first else None),
        has_cover=cover is not None,
        procedure=procedure,
        claims=tuple(claim for claim, _ in claims),
        lines=tuple(lines for _, lines in claims),
        problems=tuple(sorted(problems, key=lambda problem: problem.line)),
        sources=tuple(dict.fromkeys(sources)),
        functions=tuple(dict.fromkeys(functions)),
    )


def _fatal(problems: Sequence[LineProblem]) -> LineProblem | None:
    return next((problem for problem in problems if problem.fatal), None)


def _whole_file(what: str) -> LineProblem:
    return LineProblem(1, what, fatal=True)


def _mails_of_version(
    mails: Sequence[Mail], given: UserAnswers
) -> tuple[list[Mail], list[LineProblem]]:
    """Return the mails of the one version that is wanted, without replies."""
    own = [mail for mail in mails if not mail.is_reply]
    if not own:
        return [], [_whole_file("is a reply; expected the author's own mail")]
    versions = sorted({mail.tag.version for mail in own if mail.tag})
    names = ", ".join(f"v{version}" for version in versions)
    if given.version is None and len(versions) > 1:
        return [], [_whole_file(f"has mails of {names}; choose one with --version N")]
    if given.version is not None and versions and given.version not in versions:
        return [], [_whole_file(f"has mails of {names}, not of v{given.version}")]
    wanted = given.version or (versions[0] if versions else None)
    return [x for x in own if x.tag is None or x.tag.version == wanted], []


def _read(
    mails: Sequence[Mail], given: UserAnswers, problems: list[LineProblem]
) -> tuple[list[_MetricFigures], Procedure]:
    """Return the figures of all mails, the whole series' first, and the procedure."""
    words = words_of(given.workload)
    groups: _Groups = {}
    passages: list[Passage] = []
    only = range(given.lines[0], given.lines[1] + 1) if given.lines else None
    found: list[tuple[Mail, list[Passage], list[Stated]]] = []
    is_apart = False
    for mail in mails:
        is_cover = mail.tag is not None and mail.tag.number == 0
        message, unread = read_message(mail.text, mail.text_line, only, is_cover=is_cover)
        figures = read_figures(message, words)
        passages += message
        problems += unread + figures.problems
        found.append((mail, message, figures.stated))
        is_apart = is_apart or bool(figures.setups & {"physical", "several"})
    procedure, contradictions = read_procedure(passages, words.mode)
    problems += contradictions
    for mail, message, stated in found:
        stated = [*_of_namespaces(stated, message, procedure, words, problems)]
        own = [*(_of_setups(stated, problems) if is_apart else _of_one_setup(stated))]
        for key, group in _grouped(mail, message, own, given.patch, words, problems).items():
            known = groups.setdefault(key, _MetricFigures(*key))
            for there, new in ((known.base, group.base), (known.tip, group.tip)):
                for figure in new.values():
                    _add(there, figure, problems)
            known.quotes |= group.quotes
    return sorted(groups.values(), key=lambda group: _order(group, words)), procedure


def _order(group: _MetricFigures, words: Words) -> tuple[int, int, bool]:
    place = words.metric_order.index(group.metric) if group.metric in words.metric_order else -1
    return group.after_patch or 0, place, group.setup == "physical"


def _of_namespaces(
    figures: Sequence[Stated],
    passages: Sequence[Passage],
    procedure: Procedure,
    words: Words,
    problems: list[LineProblem],
) -> Iterator[Stated]:
    """Yield the figures whose lines name no other namespace than the one described."""
    described = {words.modes[space.mode]: space for space in procedure.namespaces}
    text = {n: line for passage in passages for n, line in passage.lines()}
    for figure in figures:
        lines = "\n".join((figure.titles, *(text[n] for n in figure.lines)))
        space = described.get(figure.metric or "")
        if space and (other := other_namespace(lines, space)):
            what = f"is about {other}; the namespace described has {space.known}"
            problems.append(LineProblem(figure.at, f"{figure.value} {figure.unit} {what}"))
        else:
            yield figure


def _of_setups(figures: Sequence[Stated], problems: list[LineProblem]) -> Iterator[Stated]:
    """Yield the figures whose set-up is known, where a letter may have figures of several."""
    for figure in figures:
        if figure.setup in ("vm", "physical"):
            lines = tuple(sorted({*figure.lines, *figure.setup_lines}))
            yield msgspec.structs.replace(figure, lines=lines)
        else:
            what = f"{figure.value} {figure.unit} may be of a VM or of a physical host"
            problems.append(LineProblem(figure.at, what))


def _of_one_setup(figures: Sequence[Stated]) -> Iterator[Stated]:
    for figure in figures:
        yield msgspec.structs.replace(figure, setup=None)


def _grouped(
    mail: Mail,
    passages: Sequence[Passage],
    found: Sequence[Stated],
    patch: int | None,
    words: Words,
    problems: list[LineProblem],
) -> _Groups:
    """Return one mail's figures by driver, patch and set-up; `patch` is its number without a tag.

    Figures of base belong to every group of their driver and set-up.
    """
    is_named = not any(words.excludes_metrics(passage.text) for passage in passages)
    figures = list(_with_metrics(found, mail, words, problems, is_named=is_named))
    text = {n: line.strip() for passage in passages for n, line in passage.lines()}
    groups: _Groups = {}
    for figure in figures:
        if figure.build == "tip":
            after = _after_patch(figure, figures, mail, patch)
            if isinstance(after, LineProblem):
                problems.append(after)
                return {}
            key = (figure.metric or "", after, figure.setup)
            group = groups.setdefault(key, _MetricFigures(*key))
            _add(group.tip, figure, problems)
            group.quotes |= {n: text[n] for n in figure.lines}
    for figure in figures:
        if figure.build == "base":
            about = (figure.metric, figure.setup)
            own = [group for group in groups.values() if (group.metric, group.setup) == about]
            for group in own:
                _add(group.base, figure, problems)
                group.quotes |= {n: text[n] for n in figure.lines}
            if not own:
                what = f"{figure.value} ms of {figure.metric} is for base alone, without a claim"
                problems.append(LineProblem(figure.at, what))
    return groups


def _with_metrics(
    figures: Sequence[Stated],
    mail: Mail,
    words: Words,
    problems: list[LineProblem],
    *,
    is_named: bool,
) -> Iterator[Stated]:
    """Yield all figures with a driver: their own, or the only one that the mail names.

    If not `is_named`, the mail may name that one for another reason.

    For percentages, the only one with other figures; the audit finds it if that is wrong.
    """
    named = {found.value for found in words.metrics(mail.text)}
    measured = {figure.metric for figure in figures if figure.metric}
    for figure in figures:
        possible = measured or named if figure.kind in ("percent", "times") else named
        if figure.metric is not None:
            yield figure
        elif len(possible) == 1 and (is_named or measured):
            yield msgspec.structs.replace(figure, metric=next(iter(possible)))
        else:
            what = f"{figure.value} {figure.unit} does not say which driver it is for"
            problems.append(LineProblem(figure.at, what))


def _after_patch(
    figure: Stated, figures: Sequence[Stated], mail: Mail, patch: int | None
) -> int | LineProblem | None:
    """Return after which patch a tip's figure was measured, None for the whole series."""
    scope = figure.scope
    if scope is None:
        about = (figure.metric, figure.setup, "tip")
        beside = (f for f in figures if (f.metric, f.setup, f.build) == about)
        scopes = {f.scope for f in beside} - {None}
        scope = scopes.pop() if len(scopes) == 1 else "this"
    if scope == "series":
        return None
    number, total = (mail.tag.number, mail.tag.total) if mail.tag else (patch, None)
    number = number if scope == "this" else scope
    if number is None:
        what = "does not say after which patch; give --patch K (0 for the whole series)"
        return LineProblem(figure.at, what, fatal=True)
    return None if number in (0, total) else number


def _add(known: dict[str, Stated], figure: Stated, problems: list[LineProblem]) -> None:
    """Add a figure. Of two where one is the other rounded, keep the finer; others contradict."""
    other = known.setdefault(figure.kind, figure)
    finer, coarser = sorted((other, figure), key=lambda stated: -stated.decimals)
    if abs(finer.value - coarser.value) * 2 > Decimal(1).scaleb(-coarser.decimals):
        what = (
            f"says {figure.value} {figure.unit} for {figure.metric}, but line {other.at} says "
            f"{other.value} {figure.unit}: two {_KINDS[figure.kind]} of one build"
        )
        problems.append(LineProblem(figure.at, what, fatal=True))
    known[figure.kind] = finer


def _claim(
    group: _MetricFigures,
    version: int,
    rebinds: int,
    procedure: Procedure,
    problems: list[LineProblem],
) -> Claim | None:
    base, tip = (_figures(build, problems) for build in (group.base, group.tip))
    percent, factor = group.tip.get("percent"), group.tip.get("times")
    if percent and factor:
        what = f"{factor.value} times is left out: line {percent.at} has a percentage"
        problems.append(LineProblem(factor.at, what))
        factor = None
    if tip is None and percent is None and factor is None:
        return None
    stated = percent or factor
    number, decimals = _number(stated) if stated else (None, None)
    hz = procedure.hz or 1000
    return Claim(
        version=version,
        metric=group.metric,
        guest="",
        rebinds=rebinds,
        base=base,
        tip=tip,
        after_patch=group.after_patch,
        reduction_percent=number if percent else None,
        times=number if factor else None,
        percent_decimals=decimals,
        # pr_debug prints jiffies in whole milliseconds.
        resolution_ms=max(1, 1000 // hz) if 1000 % hz == 0 else 1,
        setup=None if group.setup == "several" else group.setup,
        quotes=tuple(group.quotes[n] for n in sorted(group.quotes)),
    )


def _figures(build: dict[str, Stated], problems: list[LineProblem]) -> Figures | None:
    first, mean = build.get("first"), build.get("mean")
    if mean is None:
        if first is not None:
            what = f"{first.value} ms of {first.metric} is a first binding without an average"
            problems.append(LineProblem(first.at, what))
        return None
    number, decimals = _number(mean)
    return Figures(number, _number(first)[0] if first else None, decimals)


def _number(stated: Stated) -> tuple[float, int | None]:
    """Return a figure as a number, and its decimals if the number does not show them."""
    number = float(stated.value)
    shown = PostedNumber.of(number).decimals
    return number, None if shown == stated.decimals else stated.decimals
