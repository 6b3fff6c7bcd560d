# SPDX-License-Identifier: GPL-2.0-only
"""What the mails of a posted version promise, as claims that quote them.

Nothing is guessed: a figure that the text leaves open is a problem of its line, and figures that
contradict each other are problems that nothing can be kept with.
"""

import datetime
import re
from collections.abc import Sequence

import msgspec

from harness.claims.figures import Stated
from harness.claims.message import UnreadLine, read_message
from harness.claims.procedure import Procedure, agreed, read_procedure
from harness.claims.sentences import Promise, join, read_promises
from harness.project.claim import Claim, Figures, PostedNumber
from harness.series.messages import Mail, read_mails

_CALL = re.compile(r"\b([a-z_]\w{2,80})\(\)")
#: C files in a diffstat, as cover letters have one, and in diffs.
_SOURCE = re.compile(r"^(?: (\S+\.c) +\| +\d+ |diff --git a/(\S+\.c) b/)", re.MULTILINE)


class UserAnswers(msgspec.Struct, frozen=True):
    """What the user says that the mails do not: `patch` 0 is the cover letter, or all patches.

    `lines` are the first and last line of the file that count.
    """

    version: int | None = None
    patch: int | None = None
    rebinds: int | None = None
    lines: tuple[int, int] | None = None


class Posting(msgspec.Struct, frozen=True):
    """What a file of mails says of one posted version.

    `version`, `patches`, `date` and `cover` are None where it does not say; the claims then have
    version 0. They name no guest: `procedure` describes it. `lines` are the file's lines that say
    each of them. `has_cover`: the cover letter itself was there; `sources` are the C files that the
    mails patch, `functions` those they name.
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
    problems: tuple[UnreadLine, ...]
    sources: tuple[str, ...]
    functions: tuple[str, ...]

    @property
    def fatal(self) -> UnreadLine | None:
        """The first thing that must be settled before anything of this can be used."""
        return next((problem for problem in self.problems if problem.fatal), None)


def read_posting(raw: bytes, given: UserAnswers) -> Posting:
    """Return what mails (or a page of an archive) promise. Any bytes give a posting."""
    letters, problems = _chosen(read_mails(raw), given)
    promises, procedure = _promised(letters, given, problems)
    rebinds = given.rebinds or procedure.rebinds
    tags = [letter.tag for letter in letters if letter.tag]
    version = given.version or (tags[0].version if tags else None)
    if promises and rebinds is None and not any(problem.fatal for problem in problems):
        problems.append(_whole("says no number of rebinds; give it with --rebinds N"))
    claims = [
        (claim, tuple(sorted(promise.quotes)))
        for promise in promises
        if (claim := _claim(promise, version or 0, rebinds or 1, procedure, problems)) is not None
    ]
    if not claims and not any(problem.fatal for problem in problems):
        problems.append(_whole("promises nothing that can be understood"))
    cover = next((x for x in letters if x.tag and x.tag.number == 0), None)
    first = cover or (letters[0] if letters else None)
    sources = [m[1] or m[2] for x in letters for m in _SOURCE.finditer(x.text)]
    functions = [name for x in letters for name in _CALL.findall(x.text)]
    return Posting(
        version=version,
        title=first.title if first else "",
        patches=tags[0].total if tags else None,
        date=first.date if first else None,
        cover=_fetched_by(first) if first else None,
        has_cover=cover is not None,
        procedure=procedure,
        claims=tuple(claim for claim, _ in claims),
        lines=tuple(lines for _, lines in claims),
        problems=tuple(sorted(problems, key=lambda problem: problem.line)),
        sources=tuple(dict.fromkeys(sources)),
        functions=tuple(dict.fromkeys(functions)),
    )


def _promised(
    letters: Sequence[Mail], given: UserAnswers, problems: list[UnreadLine]
) -> tuple[list[Promise], Procedure]:
    """What the letters promise together, the whole series' first, and how it was measured."""
    promises: dict[tuple[str, int | None], Promise] = {}
    procedures: list[Procedure] = []
    only = range(given.lines[0], given.lines[1] + 1) if given.lines else None
    for letter in letters:
        message = read_message(letter.text, letter.text_line, only)
        procedure, contradictions = read_procedure(message.passages)
        procedures.append(procedure)
        found, open_ = read_promises(letter, message, given.patch)
        problems += [*message.problems, *contradictions, *open_]
        for promise in found:
            key = (promise.driver, promise.after_patch)
            join(promises.setdefault(key, Promise(*key)), promise, problems)
    ordered = sorted(promises.values(), key=lambda p: (p.after_patch or 0, p.driver != "nd_pmem"))
    return ordered, agreed(procedures, problems)


def _whole(what: str) -> UnreadLine:
    return UnreadLine(1, what, fatal=True)


def _fetched_by(letter: Mail) -> str | None:
    """The cover letter's message-id, or that of the mail which a patch was sent in answer to."""
    is_cover = letter.tag is not None and letter.tag.number == 0
    return letter.message_id if is_cover else letter.thread or letter.message_id


def _chosen(letters: Sequence[Mail], given: UserAnswers) -> tuple[list[Mail], list[UnreadLine]]:
    """The letters of one version, without replies."""
    own = [letter for letter in letters if not letter.is_reply]
    if not own:
        return [], [_whole("is a reply; expected the author's own mail")]
    versions = sorted({letter.tag.version for letter in own if letter.tag})
    names = ", ".join(f"v{version}" for version in versions)
    if given.version is None and len(versions) > 1:
        return [], [_whole(f"holds mails of {names}; choose one with --version N")]
    if given.version is not None and versions and given.version not in versions:
        return [], [_whole(f"is of {names}, not of v{given.version}")]
    wanted = given.version or (versions[0] if versions else None)
    return [x for x in own if x.tag is None or x.tag.version == wanted], []


def _claim(
    promise: Promise,
    version: int,
    rebinds: int,
    procedure: Procedure,
    problems: list[UnreadLine],
) -> Claim | None:
    base, tip = (_figures(build, problems) for build in (promise.base, promise.tip))
    percent = promise.tip.get("percent")
    if tip is None and percent is None:
        return None
    number, decimals = _number(percent) if percent else (None, None)
    # Jiffies are read; steps that are no whole milliseconds are printed as if they were.
    hz = procedure.hz or 1000
    return Claim(
        version=version,
        driver=promise.driver,
        guest="",
        rebinds=rebinds,
        base=base,
        tip=tip,
        after_patch=promise.after_patch,
        reduction_percent=number,
        percent_decimals=decimals,
        resolution_ms=max(1, 1000 // hz) if 1000 % hz == 0 else 1,
        quotes=tuple(promise.quotes[n] for n in sorted(promise.quotes)),
    )


def _figures(build: dict[str, Stated], problems: list[UnreadLine]) -> Figures | None:
    first, mean = build.get("first"), build.get("mean")
    if mean is None:
        if first is not None:
            what = f"{first.value} ms of {first.driver} is a first binding without an average"
            problems.append(UnreadLine(first.at, what))
        return None
    number, decimals = _number(mean)
    return Figures(
        mean_ms=number, first_ms=_number(first)[0] if first else None, mean_decimals=decimals
    )


def _number(stated: Stated) -> tuple[float, int | None]:
    """A figure for a data file: the number, and its decimals where the number hides them."""
    number = float(stated.value)
    shown = PostedNumber.of(number).decimals
    return number, None if shown == stated.decimals else stated.decimals
