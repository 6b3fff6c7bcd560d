# SPDX-License-Identifier: GPL-2.0-only
"""Parses a rule about a metric of boots, or a kind of a replay. Pure.

    KIND[@BUILD][.OP].METRIC RELATION NUMBER, or memmap.equal

Without OP the rule is about rebinds; `traffic` is about cache lines per struct page.

Strict: an unknown word is refused with the known ones, since a rule with a typing error would guard
nothing.
"""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.record.record import Lines
from harness.workloads import kinds, metrics

Relation = Literal["<", "<=", ">", ">=", "=="]
OPS = ("rebind", "first", "traffic")
METRICS = {
    "ratio": "the build's cost over base's",
    "ratio_low": "the lower bound of its 95 % interval",
    "ratio_high": "the upper bound of its 95 % interval",
    "ms": "the build's median in milliseconds",
    "ns_per_page": "the same in nanoseconds per struct page",
    "instructions": "what the build executes per struct page",
    "instructions_ratio": "the same over base's",
}
TRAFFIC = Lines.__struct_fields__
MEMMAP_EQUAL = "memmap.equal"
#: `@each` applies the rule to all builds but base.
EACH = "each"
FORM = (
    "KIND[@BUILD][.rebind|.first|.traffic].METRIC<NUMBER (or <= > >=; == for counts), or "
    f"{MEMMAP_EQUAL}"
)
MAX_LENGTH = 200

_RULE = re.compile(r"([^<>=]*?)\s*(<=|>=|==|<|>)\s*([^<>=]*)")
_SUBJECT = re.compile(r"([a-z0-9_]+)(?:@([A-Za-z0-9_.+-]+?))?(?:\.([a-z]+))?\.([a-z_]+)")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class Rule(msgspec.Struct, frozen=True):
    """A parsed rule; `text` as given. `build` is a build's name, `each`, or empty for the last
    of the series.

    For memmap.equal all but `text` have their defaults.
    """

    text: str
    kind: str = ""
    build: str = ""
    op: str = "rebind"
    metric: str = MEMMAP_EQUAL
    relation: Relation = "<"
    bound: float = 0.0

    def holds(self, value: float) -> bool:
        """Whether a value meets the bound; NaN never does."""
        if self.relation == "<":
            return value < self.bound
        if self.relation == "<=":
            return value <= self.bound
        if self.relation == ">":
            return value > self.bound
        return value >= self.bound if self.relation == ">=" else value == self.bound


def parse_rule(text: str, known_metrics: Sequence[str] = metrics()) -> Rule:
    """Return the parsed rule. Raises ValueError with what is wrong and what is known."""
    rule = text.strip()
    if rule == MEMMAP_EQUAL:
        return Rule(rule)
    match = _RULE.fullmatch(rule) if len(rule) <= MAX_LENGTH else None
    if match is None:
        raise ValueError(f"{_short(rule)}is not a rule; expected {FORM}")
    subject, relation, number = match.groups()
    parts = _SUBJECT.fullmatch(subject)
    if parts is None:
        raise ValueError(f"{_short(subject)} names nothing to measure; expected {FORM}")
    kind, build, op, metric = parts.groups()
    for what, name, known in (
        ("kind", kind, (*known_metrics, *kinds())),
        ("binding", op or OPS[0], OPS),
        ("metric", metric, TRAFFIC if op == "traffic" else tuple(METRICS)),
    ):
        if name not in known:
            raise ValueError(f"no {what} {_short(name)}; expected one of {', '.join(known)}")
    if _NUMBER.fullmatch(number) is None:
        raise ValueError(f"{_short(number)}is not a number; expected one like 0.6")
    if op == "first" and metric.startswith("instructions"):
        raise ValueError(f"{metric} is counted for rebinds; expected no .first")
    if relation == "==" and op != "traffic" and not metric.startswith("instructions"):
        raise ValueError(f"{metric} is measured, never exactly equal; expected one of < <= > >=")
    return Rule(
        text=rule,
        kind=kind,
        build=build or "",
        op=op or OPS[0],
        metric=metric,
        relation=msgspec.convert(relation, Relation),
        bound=float(number),
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
