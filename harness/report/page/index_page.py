# SPDX-License-Identifier: GPL-2.0-only
"""All runs as one HTML page: verdicts per tag, trends, each run, and broken records.

Filters need no script: each choice has a CSS rule that hides the other rows.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec
from markupsafe import Markup

from harness.judge.conclude import Conclusion
from harness.judge.runs.history import CostRatio, Group, Seen, release_key, seen, trends
from harness.judge.verdict import Word
from harness.record.record import Outcome
from harness.report import phrases
from harness.report.lines import TONE
from harness.report.page.run_page import environment, style_hash
from harness.report.page.trend import draw_trend
from harness.report.verdict_line import Answer, answer

NAME = "index.html"


class IndexRun(msgspec.Struct, frozen=True):
    """A run on the index; `href` is the path from the index to the page of the run.

    `also` has the replay beside boots, whose ratios form trends of their own. `verdicts` has what
    each claim is about, and its verdict.
    """

    seen: Seen
    also: tuple[Seen, ...]
    answer: Answer
    outcome: Outcome
    verdicts: tuple[tuple[str, Word], ...]
    started: str
    href: str

    @property
    def costs(self) -> tuple[CostRatio, ...]:
        """The ratios of the run and of the replay beside it."""
        return tuple(cost for one in (self.seen, *self.also) for cost in one.costs)

    @property
    def facets(self) -> tuple[tuple[str, ...], ...]:
        """The values that the filters choose by, in the order of FACETS."""
        group = self.seen.group
        slug, version, machine, evidence = group_facets(group)
        kinds = (*evidence, *(one.group.evidence for one in self.also))
        return slug, version, machine, kinds, (self.seen.release,), (self.answer.word,)


class Tag(NamedTuple):
    """The verdicts of all runs of a series on one release: of each claim, the number per word."""

    series: str
    release: str
    claims: dict[str, Counter[Word]]
    at: list[str]


FACETS = ("Series", "Version", "Machine", "Evidence", "Tag", "Answer")


def group_facets(group: Group) -> tuple[tuple[str], ...]:
    """Return the values that the filters choose a trend by, in the order of FACETS."""
    version = f"v{group.version}" if group.version else "not posted"
    return (group.slug,), (version,), (group.machine,), (group.evidence,)


class Broken(msgspec.Struct, frozen=True):
    """A folder whose record cannot be read."""

    path: str
    problem: str


class Choice(msgspec.Struct, frozen=True):
    """The values of a filter, with the number of runs of each."""

    name: str
    values: tuple[tuple[str, int], ...]


def run_of(conclusion: Conclusion, href: str) -> IndexRun:
    """Return the index entry of a conclusion."""
    record = conclusion.record
    words = tuple((phrases.about(v), v.verdict) for v in conclusion.verdicts if v.claim is not None)
    made = answer(conclusion)
    first, *also = map(seen, conclusion.parts)
    return IndexRun(first, tuple(also), made, record.outcome, words, record.started, href)


def page(runs: Sequence[IndexRun], broken: Sequence[Broken]) -> str:
    """Return the index page, newest runs first."""
    ordered = sorted(runs, key=lambda run: (run.started, run.href), reverse=True)
    choices = [_choice(number, name, ordered) for number, name in enumerate(FACETS)]
    places = [{value: n for n, (value, _) in enumerate(choice.values)} for choice in choices]

    def at(facets: Sequence[Sequence[str]]) -> list[str]:
        return [" ".join(str(places[n][v]) for v in values) for n, values in enumerate(facets)]

    every = [one for run in ordered for one in (run.seen, *run.also)]
    drawn = [draw_trend(trend) for trend in trends(every)]
    style = _filters(choices)
    return (
        environment()
        .get_template("index.html")
        .render(
            rows=[(run, at(run.facets)) for run in ordered],
            broken=sorted(broken, key=lambda b: b.path),
            choices=choices,
            outcomes=Counter(run.outcome for run in ordered).most_common(),
            tags=_tags(ordered, at),
            tone=TONE,
            trends=[(trend, at(group_facets(trend.group))) for trend in drawn],
            more_style=Markup(style),  # noqa: S704 (numbers only)
            more_hash=style_hash(style),
        )
    )


def _tags(
    runs: Iterable[IndexRun], at: Callable[[Sequence[Sequence[str]]], list[str]]
) -> list[Tag]:
    """Return the verdicts per series and release, the newest release first."""
    grouped: dict[tuple[str, int, str], list[IndexRun]] = {}
    for run in runs:
        if run.verdicts:
            group = run.seen.group
            grouped.setdefault((group.slug, group.version, run.seen.release), []).append(run)
    found = []
    for (slug, version, release), ours in grouped.items():
        claims: dict[str, Counter[Word]] = {}
        for about, word in (verdict for run in ours for verdict in run.verdicts):
            claims.setdefault(about, Counter())[word] += 1
        facets = [
            tuple(dict.fromkeys(value for run in ours for value in run.facets[n]))
            for n in range(len(FACETS))
        ]
        found.append(Tag(f"{slug} v{version}" if version else slug, release, claims, at(facets)))
    found.sort(key=lambda tag: release_key(tag.release), reverse=True)
    return sorted(found, key=lambda tag: tag.series)


def _choice(number: int, name: str, runs: Iterable[IndexRun]) -> Choice:
    counted = Counter(value for run in runs for value in run.facets[number])
    by_release = name == "Tag"
    values = sorted(counted, key=lambda v: release_key(v) if by_release else ((0, 0, 0, 0), v))
    return Choice(name, tuple((value, counted[value]) for value in values))


def _filters(choices: Sequence[Choice]) -> str:
    lines = []
    for n, choice in enumerate(choices):
        lines += [
            f"main:has(#choose-{n} option[value='{value}']:checked) "
            f"[data-{n}]:not([data-{n}~='{value}']){{display:none}}"
            for value in range(len(choice.values))
        ]
    return "\n".join(lines)
