# SPDX-License-Identifier: GPL-2.0-only
"""Reads claims that the user states with --claim. Pure."""

import re
from collections.abc import Sequence
from decimal import Decimal

from harness import workloads
from harness.errors import InputError
from harness.project.claim import Claim, Figures, PostedNumber

GRAMMAR = "METRIC[@K]=P% or METRIC[@K]=BASE->TIPms[,P%]"
_METRICS = workloads.find(workloads.DEFAULT).metrics
EXAMPLE = f"{_METRICS[0]}=59.4%"
EXAMPLES = f"{EXAMPLE}, '{_METRICS[-1]}@4=313.45->256.56ms'"
_NUMBER = r"\d{1,9}(?:\.\d{1,6})?"
_STATEMENT = re.compile(
    r"\s*(?P<metric>[a-z][a-z0-9_]{0,60})(?:@(?P<after>[1-9]\d{0,2}))?\s*=\s*"
    rf"(?:(?P<base>{_NUMBER})\s*->\s*(?P<tip>{_NUMBER})\s*ms)?(?P<comma>\s*,\s*)?"
    rf"(?:(?P<percent>-?{_NUMBER})\s*%)?\s*",
    re.ASCII,
)


def parse_claim(text: str) -> Claim:
    """Return the claim that a --claim option states: GRAMMAR. Raises InputError.

    It has no version, guest or number of rebinds: it is about the run that it is stated for.
    """
    match = _STATEMENT.fullmatch(text)
    given = [match[name] for name in ("base", "percent") if match[name]] if match else []
    if match is None or len(given) != (2 if match["comma"] else 1):
        raise _error(text, f"is not a claim; expected {GRAMMAR}, like {EXAMPLES}")
    if not workloads.is_metric(match["metric"]):
        known = ", ".join(workloads.metrics())
        raise _error(text, f"is about no metric; expected one of {known}")
    percent, percent_decimals = _number(match["percent"])
    base, tip = (_figures(match[name]) for name in ("base", "tip"))
    try:
        return Claim(
            version=0,
            metric=match["metric"],
            rebinds=1,
            base=base and Figures(*base),
            tip=tip and Figures(*tip),
            after_patch=int(match["after"]) if match["after"] else None,
            reduction_percent=percent,
            percent_decimals=percent_decimals,
            quotes=(f"--claim {text.strip()}",),
        )
    except ValueError as error:
        raise _error(text, str(error)) from error


def parse_claims(texts: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims of several --claim options. Raises InputError, also for a repeated one."""
    found: dict[tuple[str, int | None], Claim] = {}
    for text in texts:
        claim = parse_claim(text)
        key = claim.metric, claim.after_patch
        if key in found:
            raise _error(text, f"is about the same as {found[key].quotes[0]!r}; expected one claim")
        found[key] = claim
    return tuple(found.values())


def _figures(text: str | None) -> tuple[float, None, int | None] | None:
    number, decimals = _number(text)
    return None if number is None else (number, None, decimals)


def _number(text: str | None) -> tuple[float | None, int | None]:
    """Return a number, and its decimals if the number does not show them."""
    if text is None:
        return None, None
    number, decimals = float(Decimal(text)), len(text.partition(".")[2])
    return number, None if PostedNumber.of(number).decimals == decimals else decimals


def _error(text: str, what: str) -> InputError:
    return InputError(f"{text!r} {what}", where="--claim")
