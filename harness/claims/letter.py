# SPDX-License-Identifier: GPL-2.0-only
"""Chooses the claims of a run from cover letter, series.yaml and --claim, and says which. Pure."""

from collections.abc import Iterator, Sequence

import msgspec

from harness.claims.claims import UserAnswers, read_posting
from harness.claims.importing import matching_guests, on_guest
from harness.claims.statement import EXAMPLE
from harness.project.claim import Claim, Setup
from harness.project.guest import Guest
from harness.project.run_claims import RunClaims
from harness.workloads import DEFAULT

#: Lines that are shown; claims.yaml has all.
MAX_SHOWN = 10
_STATE = f"state claims with --claim '{EXAMPLE}'"


class Letter(msgspec.Struct, frozen=True):
    """The claims of a cover letter, and the numbered lines of the mail that state each.

    `left_open` are the lines whose figures are not read; `problem` is why no claim can be used.
    """

    claims: tuple[Claim, ...] = ()
    lines: tuple[tuple[int, ...], ...] = ()
    left_open: tuple[str, ...] = ()
    problem: str = ""


class RunStatement(msgspec.Struct, frozen=True):
    """What the user states: claims that replace others, or that there are none beside them."""

    stated: tuple[Claim, ...] = ()
    no_others: bool = False


class Chosen(msgspec.Struct, frozen=True):
    """The claims of a run; None if they are those of series.yaml. `said` are lines to show."""

    own: RunClaims | None
    said: tuple[str, ...]


def read_letter(
    raw: bytes, guests: Sequence[Guest], version: int, workload: str = DEFAULT
) -> Letter:
    """Return what a raw mail claims for the whole series; any bytes give a letter."""
    posting = read_posting(raw, UserAnswers(patch=0, workload=workload))
    open_ = tuple(f"line {p.line}: {p.what}" for p in posting.problems if not p.fatal)
    if posting.fatal is not None:
        return Letter(left_open=open_, problem=posting.fatal.what)
    fitting = matching_guests(posting.procedure.namespaces, guests)
    known = fitting[0].name if posting.procedure.namespaces and len(fitting) == 1 else None
    claims = tuple(on_guest(claim, version, known) for claim in posting.claims)
    return Letter(claims, posting.lines, open_)


def choose(
    kept: Sequence[Claim],
    letter: Letter | None,
    named: str,
    given: RunStatement,
    setting: tuple[str, int],
) -> Chosen:
    """Return the claims of a run and the lines that say which they are.

    `kept` are those of series.yaml about the version, which count more than those of the letter.
    The letter is that of `named`, None for none. A stated claim is about `setting`: guest and
    number of rebinds of the run.
    """
    said: list[str] = []
    own: RunClaims | None = None
    if given.no_others:
        own = RunClaims("--no-claims")
        said.append("no claims are used: --no-claims")
    elif kept:
        said += _disagreements(kept, letter.claims if letter else (), named)
    elif letter is not None:
        own = RunClaims(named, letter.claims, letter.left_open)
        said += _read(letter, named)
    elif named:
        own = RunClaims(named)
        said.append(f"no claims: {named}; {_STATE}")
    if given.stated:
        own = _with_stated(own, kept, given.stated, setting)
        said += [f"claim {describe(claim)} ({claim.quotes[0]})" for claim in given.stated]
    return Chosen(own, tuple(said))


def describe(claim: Claim) -> str:
    """Return what a claim is about, and its figures."""
    figures = []
    if claim.tip:
        unit = "" if claim.unit == "count" else f" {claim.unit}"
        figures.append(f"{f'{claim.base.mean} -> ' if claim.base else ''}{claim.tip.mean}{unit}")
    if claim.stated:
        figures.append(claim.stated)
    return f"{claim.about}: {', '.join(figures)}"


def _read(letter: Letter, named: str) -> Iterator[str]:
    for claim, lines in zip(letter.claims, letter.lines, strict=True):
        yield f"claim {describe(claim)} ({named})"
        yield from (
            f"  line {number}: {quote}" for number, quote in zip(lines, claim.quotes, strict=True)
        )
    if not letter.claims:
        yield f"no claims: {named} {letter.problem or 'states none that can be read'}; {_STATE}"
    yield from (f"left open: {named}, {what}" for what in letter.left_open[:MAX_SHOWN])
    if more := len(letter.left_open[MAX_SHOWN:]):
        yield f"left open: {more} more lines"


def _disagreements(kept: Sequence[Claim], said: Sequence[Claim], named: str) -> Iterator[str]:
    """Yield where a letter says other figures than series.yaml, or figures that it lacks."""
    known = {_key(claim): claim for claim in kept}
    for claim in said:
        other = known.get(_key(claim))
        if other is None:
            yield f"{named} also claims {describe(claim)}, which series.yaml does not have"
        elif _differ(claim, other):
            yield (
                f"{named} claims {describe(claim)}; series.yaml, which counts, has "
                f"{describe(other)}"
            )


def _key(claim: Claim) -> tuple[str, int | None, Setup | None]:
    return claim.metric, claim.after_patch, None if claim.setup == "vm" else claim.setup


def _differ(claim: Claim, other: Claim) -> bool:
    """Whether a figure that both have is not the same."""
    pairs: list[tuple[object, object]] = [
        (getattr(claim, name), getattr(other, name))
        for name in ("reduction_percent", "increase_percent", "times", "at_most_worse_percent")
    ]
    for one, two in ((claim.base, other.base), (claim.tip, other.tip)):
        if one and two:
            pairs += [(one.number, two.number), (one.first_ms, two.first_ms)]
    return any(one is not None and two is not None and one != two for one, two in pairs)


def _with_stated(
    own: RunClaims | None, kept: Sequence[Claim], stated: Sequence[Claim], setting: tuple[str, int]
) -> RunClaims:
    """Return claims with the stated ones in place of those about the same driver and patch."""
    guest, rebinds = setting
    replaced = {(claim.metric, claim.after_patch) for claim in stated}
    before = own or RunClaims("series.yaml", tuple(kept))
    left = (c for c in before.claims if (c.metric, c.after_patch) not in replaced)
    ours = (msgspec.structs.replace(c, guest=guest, rebinds=rebinds) for c in stated)
    source = f"{before.source}, --claim"
    return RunClaims(source, (*left, *ours), before.left_open)
