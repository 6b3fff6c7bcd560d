# SPDX-License-Identifier: GPL-2.0-only
"""Reads claims that the user states with --claim. Pure."""

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from harness import workloads
from harness.errors import InputError
from harness.project.claim import UNITS, Claim, ClaimUnit, Figures, PostedNumber

GRAMMAR = (
    "METRIC[@K]=P%, =P% more, =Nx, =BASE->TIPms[,P%] (or s, us, ns, /s, MB/s, GB/s, count) or "
    "=at most P% worse"
)
_METRICS = workloads.find(workloads.DEFAULT).metrics
EXAMPLE = f"{_METRICS[0]}=59.4%"
EXAMPLES = f"{EXAMPLE}, '{_METRICS[-1]}@4=313.45->256.56ms'"
_NUMBER = r"\d{1,9}(?:\.\d{1,6})?"
_STATEMENT = re.compile(
    r"\s*(?P<metric>[a-z][a-z0-9_]{0,60})(?:@(?P<after>[1-9]\d{0,2}))?\s*=\s*"
    rf"(?:(?P<base>{_NUMBER})\s*->\s*(?P<tip>{_NUMBER})\s*(?P<unit>{'|'.join(UNITS)}))?"
    r"(?P<comma>\s*,\s*)?"
    rf"(?:at most\s+(?P<worse>{_NUMBER})\s*%\s+worse|(?P<not_worse>not worse)"
    rf"|(?P<times>{_NUMBER})\s*(?:x|times)(?:\s+(?:faster|less|more))?"
    rf"|(?P<percent>-?{_NUMBER})\s*%(?:\s+(?P<more>more|less))?)?\s*",
    re.ASCII,
)


def parse_claim(text: str, metrics: Sequence[str] = workloads.metrics()) -> Claim:
    """Return the claim that a --claim option states: GRAMMAR. Raises InputError.

    It has no version, guest or number of rebinds: it is about the run that it is stated for.
    """
    match = _STATEMENT.fullmatch(text)
    stated = ("base", "worse", "not_worse", "times", "percent")
    given = [match[name] for name in stated if match[name]] if match else []
    if match is None or len(given) != (2 if match["comma"] else 1):
        raise _error(text, f"is not a claim; expected {GRAMMAR}, like {EXAMPLES}")
    if match["metric"] not in metrics:
        raise _error(text, f"is about no metric; expected one of {', '.join(metrics)}")
    worse = "0" if match["not_worse"] else match["worse"]
    number, decimals = _number(match["percent"] or match["times"] or worse)
    key = "increase_percent" if match["more"] == "more" else "reduction_percent"
    key = "times" if match["times"] else "at_most_worse_percent" if worse else key
    unit = msgspec.convert(match["unit"] or "ms", ClaimUnit)
    try:
        return Claim(
            version=0,
            metric=match["metric"],
            rebinds=1,
            base=_figures(match["base"], unit),
            tip=_figures(match["tip"], unit),
            after_patch=int(match["after"]) if match["after"] else None,
            percent_decimals=decimals,
            unit=unit,
            reduction_percent=number if key == "reduction_percent" else None,
            increase_percent=number if key == "increase_percent" else None,
            times=number if key == "times" else None,
            at_most_worse_percent=number if key == "at_most_worse_percent" else None,
            quotes=(f"--claim {text.strip()}",),
        )
    except ValueError as error:
        raise _error(text, str(error)) from error


def parse_claims(
    texts: Sequence[str], metrics: Sequence[str] = workloads.metrics()
) -> tuple[Claim, ...]:
    """Return the claims of several --claim options. Raises InputError, also for a repeated one."""
    found: dict[tuple[str, int | None], Claim] = {}
    for text in texts:
        claim = parse_claim(text, metrics)
        key = claim.metric, claim.after_patch
        if key in found:
            raise _error(text, f"is about the same as {found[key].quotes[0]!r}; expected one claim")
        found[key] = claim
    return tuple(found.values())


def _figures(text: str | None, unit: ClaimUnit) -> Figures | None:
    number, decimals = _number(text)
    if number is None:
        return None
    if unit == "ms":
        return Figures(number, mean_decimals=decimals)
    return Figures(value=number, mean_decimals=decimals)


def _number(text: str | None) -> tuple[float | None, int | None]:
    """Return a number, and its decimals if the number does not show them."""
    if text is None:
        return None, None
    number, decimals = float(Decimal(text)), len(text.partition(".")[2])
    return number, None if PostedNumber.of(number).decimals == decimals else decimals


def _error(text: str, what: str) -> InputError:
    return InputError(f"{text!r} {what}", where="--claim")
