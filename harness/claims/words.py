# SPDX-License-Identifier: GPL-2.0-only
"""Reads text for the words of a workload: its metrics, and what of them is repeated. Pure."""

import functools
import itertools
import re
from collections.abc import Sequence

from harness import workloads
from harness.claims.quantities import quantities
from harness.claims.vocabulary import (
    CONDITION,
    EXCLUDES,
    HEADING,
    UNIT,
    WORD,
    BindingKind,
    Heading,
    Placed,
    cells,
    is_base,
    is_own_effect,
    pattern,
    scope_of,
    sentences,
)
from harness.workloads.claim_words import ClaimWords

#: The words of sentences, rows and titles whose figures are read: with any other, it may be another
#: quantity (misses, a part of the time), another statistic, an aim, or another comparison.
_KNOWN = (
    r"an?|the|our|my|we|this|these|its?|that|which|and|or|as|is|are|was|were|be|been|becom\w+|of|for|on|in|at|by"
    r"|from|to|with|without|before|after|instead|about|around|roughly|approximately|respectively"
    r"|so|thus|now|all|also|both|each|i\.e|say|exact|ms|msecs?|s|secs?|us|ns|\w*seconds?"
    r"|percent|average[sd]?|avg|mean|first|initial|subsequent|later|times?|duration|latency"
    r"|again|go|goes|went|takes?|took|taking"
    r"|base(?:line)?|unpatched|vanilla|original|patch(?:es|ed)?|series|set|change|commit|applied"
    r"|whole|full|entire|complete|kernel|tree|v\d+\.\d[\w.-]*|measured|tested|results?|figures"
    r"|numbers|times|follow(?:s|ing)?|below|here|using|gives?|shows?|every|run"
    r"|vms?|virtual|physical|real|machine|host|hardware|bare|metal|bare-metal|qemu|kvm|guest"
    r"|(?:reduc|lower|decreas|cut|shorte|improv|drop|fall|shr[iu]nk|increas|rise)\w*|fell|rose|less"
    r"|down|more|longer|slower"
)


@functools.cache
def words_of(workload: str) -> "Words":
    """Return the words of the workload of this name. Raises InputError if there is none."""
    return Words(workloads.find(workload).claim_words)


class Words:
    """The words of a workload, searched for in text."""

    def __init__(self, known: ClaimWords) -> None:
        """Compile the words."""
        names = known.names
        self.metric_order = known.metrics
        self.modes = dict(known.modes)
        self.mode = pattern(rf"\b({'|'.join(known.modes) or '(?!)'})\b")
        self._metric = pattern(rf"\b({names})\b")
        self._title = pattern(
            rf"\W*(?:(?:the|for|with|on|using|results?|of) )*(?:{names})\b"
            rf"(?: (?:{known.things}|{known.measured}|results?|times?))*\s*(?:[,:(\[].*)?"
        )
        self._kind = pattern(
            rf"(?P<first>{known.first})|(?P<mean>\b(?:averages?|avg|mean)\b)|{known.again}"
        )
        self._known = pattern(rf"{_KNOWN}|{known.things}|{names}|{known.known}")
        # All of the metrics, and patches that are not the first ones.
        self._others = pattern(
            rf"\b(?:both|all|each|every)(?: of)?(?: the)? (?:{known.things})\b"
            r"|\b(?:patch(?:es|set)?|series) (?:before|above|below|following|later)\b"
        )

    def heading(self, line: str, next_line: str) -> Heading | None:
        """Return the heading in a line; without a colon, only if the next line has figures."""
        found = HEADING.fullmatch(line.rstrip(" *_"))
        if found is None or (found["scope"] and (not found["build"] or is_own_effect(found))):
            return None
        rest = (found["rest"] or "").strip(" *_")
        if (rest and not quantities(rest)) or not (found["colon"] or self.is_row(next_line)):
            return None
        if found["base"] or is_base(found):
            return Heading("base", None, rest)
        return Heading("tip", scope_of(found) if found["scope"] or found["full"] else None, rest)

    def is_row(self, line: str) -> bool:
        """Whether a line is of a block: figures after a colon or gap, or a name and a colon."""
        found = quantities(line)
        if not found:
            named = self._metric.search(line) or self._kind.search(line)
            return line.rstrip().endswith(":") and bool(named)
        before = line[: found[0].start]
        has_colon = ":" in before or "=" in before or before.endswith("  ")
        return has_colon or not re.search(r"\w", before)

    def starts_row(self, lines: Sequence[tuple[int, str]]) -> bool:
        """Whether the first line of three is a row of the block above, not the next one's title."""
        line, one, two = ([text for _, text in lines] + ["", ""])[:3]
        goes_on = self.is_row(one) and self.heading(one, two) is None
        return self.is_row(line) and (goes_on or bool(quantities(line)))

    def metrics(self, text: str) -> list[Placed[str]]:
        """Return the metrics that a text names, directly or by a mode."""
        found = ((m.start(), m[1].lower()) for m in self._metric.finditer(text))
        return [Placed(at, self.modes.get(name, name)) for at, name in found]

    def is_condition(self, title: str) -> bool:
        """Whether a title may say that what is below it was measured otherwise."""
        return CONDITION.match(title) is not None and bool(self.unclear_word(title))

    def excludes_metrics(self, text: str) -> bool:
        """Whether a sentence may name a metric to say that figures are not of it."""
        parts = (text[start:end] for start, end in sentences(text))
        return any(self._metric.search(part) and EXCLUDES.search(part) for part in parts)

    def kinds(self, text: str) -> list[Placed[BindingKind]]:
        """Return what a text names: the first time, or others and whether it averages them."""
        found = list(self._kind.finditer(text))
        rebinds: BindingKind = "mean" if any(m["mean"] for m in found) else "rebind"
        return [Placed(m.start(), "first" if m["first"] else rebinds) for m in found]

    def unclear_word(self, text: str) -> str:
        """Return a word by which a text's figures may not be what is measured, or ""."""
        words = WORD.findall(text.replace("per cent", "percent"))
        unknown = (word for word in words if not self._known.fullmatch(word))
        return next(itertools.chain(unknown, self._others.findall(text)), "")

    def columns(self, line: str) -> tuple[str, list[Heading]]:
        """Return the first cell of a table's header, and the builds of all others or none."""
        name, *names = cells(UNIT.sub("", line))
        found = [self.heading(f"{name}:", "") for name in names]
        clear = [one for one in found if one is not None]
        return name, clear if len(clear) == len(names) else []

    def title_metric(self, text: str) -> str | None:
        """Return the metric that the title of a block names: one, in front."""
        named = {found.value for found in self.metrics(text)}
        line = re.split(r":\s*\n", text.strip())[-1]
        return named.pop() if len(named) == 1 and self._title.fullmatch(line) else None
