# SPDX-License-Identifier: GPL-2.0-only
"""Finds the base that a cover letter names in words: a release, a tag, a tree or a commit. Pure.

Fails closed: only a sentence that says of the series what it is based on counts.
"""

import re
from collections.abc import Collection, Iterator

import msgspec

#: The start of a diff, of git's trailers and of a signature.
_END = re.compile(r"^(?:diff --git |base-commit: |prerequisite-|-- $)", re.MULTILINE)
_PREREQUISITE = re.compile(r"^prerequisite-patch-id: [0-9a-f]{40}[ \t]*$", re.MULTILINE)
_QUOTED = re.compile(r"^(?:>|On .* wrote:).*$", re.MULTILINE)
#: What begins a changelog: its sentences are about other versions, as are those of its list.
_CHANGELOG = re.compile(r"\W*(?:changes?\b|changelog|history\b|since v?\d|(?:rfc )?v\d+\b)", re.I)
_ITEM = re.compile(r"\s*(?:[-*+o]\s|\d+[.)]\s|\[\d+\]|https?://)|\s{2,}\S")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=\S)")
_NOUN = r"(?:series|patch(?:es|set)?|patch\s+set|set|rfc|branch|work)"
_IS = r"(?:(?:is|are|has\s+been|have\s+been|now|currently|also|cleanly|should)\s+)*"
#: "The folio series" and "kernels like this" are something else.
_ANYWHERE = rf"\b(?:this|these|my|our|the)\s+(?:(?:whole|entire|patch|rfc)\s+)*{_NOUN}\s+{_IS}"
_AT_START = rf"^\W*(?:(?:it|they|this|these|everything|all|{_NOUN})\s+{_IS})?"
_BASED = (
    r"(?:(?:re)?based\s+(?:on\s*top\s+of|on\s*to|on|upon|off\s+of|off|against|to)"
    r"|appl(?:y|ies)\s+(?:cleanly\s+)?(?:on\s*top\s+of|on\s*to|on|to|against)"
    r"|(?:made|generated|prepared|created|cut|diffed)\s+(?:against|on\s+top\s+of|on|from))"
)
#: "against" without "is" is about what something is compared with.
_IS_ON = r"(?<=\b(?:is|re)\s)(?:on\s+top\s+of|against)"
_HEADING = r"(?:base|based[- ]on|base\s+(?:tree|commit|branch)|applies\s+to)\s*:"
_FILLER = (
    r"(?:(?:the|a|an|current|latest|recent|today's|upstream|linus'?s?|torvalds'?s?|akpm'?s?"
    r"|andrew'?s?|linux|kernel|tag|branch|tree|release|commit|head|tip|top|of|in|from|at|git|mm"
    r"|mm\.git|version)[\s,:/]+)*"
)
_RELEASE = r"v\d+\.\d+(?:\.\d+)?(?:-rc\d+)?|\d+\.\d+(?:\.\d+)?-rc\d+"
_COMMIT = r"[0-9a-f]{12,40}"
#: Said of another version, of a test, or not of now.
_OTHER = re.compile(
    r"\b(?:not|no\s+longer|\w+n't|previous(?:ly)?|earlier|was|were|used\s+to|instead|old|older"
    r"|future|will|would|could|might|may|can|if|next\s+version|unless|tested|testing|measured"
    r"|measurements?|benchmark\w*|compared|comparison|numbers|results?|figures|depends?)\b",
    re.IGNORECASE,
)


#: A longer one is no sentence, but a table or a log.
MAX_SENTENCE = 1000


class NamedBase(msgspec.Struct, frozen=True):
    """A base as a letter names it: a `ref` (release's tag, next-YYYYMMDD or tree), a commit, both.

    Either is "" if it is not named; the commit may be shortened.
    """

    ref: str
    commit: str = ""

    def __str__(self) -> str:
        return self.ref or self.commit


def named_bases(text: str, trees: Collection[str]) -> tuple[NamedBase, ...]:
    """Return the bases that a letter's text says it is on, without duplicates.

    `trees` are the names of trees whose branches letters name, like mm-unstable.
    """
    pattern = _pattern(trees)
    found = (_named(match) for said in _sentences(text) for match in pattern.finditer(said))
    return tuple(dict.fromkeys(found))


def prerequisites(text: str) -> int:
    """Return how many patches a mail says are needed below it (`git format-patch --base`)."""
    return len(_PREREQUISITE.findall(text))


def _pattern(trees: Collection[str]) -> re.Pattern[str]:
    names = "".join(f"|{re.escape(name)}" for name in sorted(trees, key=len, reverse=True))
    ref = rf"(?P<ref>next-\d{{8}}|{_RELEASE}{names})"
    # "(v7.1-rc3)", "`mm-unstable`", "akpm/mm-unstable"
    opening = r"[\"'`(\[<]*(?:[\w.]+/)?"
    beside = rf"(?:[\"'`)\]>\s,:@]*(?:\(|at|commit|\s)*\(?(?P<beside>{_COMMIT}))?"
    alone = rf"(?P<alone>{_COMMIT})"
    end = r"(?![\w'/~^-]|\.\w)"
    return re.compile(
        rf"(?:(?:{_AT_START}|{_ANYWHERE})(?:{_BASED}|{_IS_ON})|^\W*{_HEADING})\s+"
        rf"{_FILLER}{opening}(?:{ref}{beside}|{alone}){end}",
        re.IGNORECASE,
    )


def _named(match: re.Match[str]) -> NamedBase:
    ref = match["ref"] or ""
    if ref[:1].isdigit():
        ref = f"v{ref}"
    return NamedBase(ref.lower(), (match["beside"] or match["alone"] or "").lower())


def _sentences(text: str) -> Iterator[str]:
    """Yield a letter's own sentences, each on one line; its changelog is left out."""
    body = _QUOTED.sub("", _END.split(text, maxsplit=1)[0])
    in_changelog = False
    for paragraph in re.split(r"\n(?:[ \t]*|---)\n", body):
        lines = [line for line in paragraph.split("\n") if line.strip()]
        if not lines:
            continue
        if _CHANGELOG.match(lines[0]):
            in_changelog = True
            continue
        if in_changelog and _ITEM.match(lines[0]):
            continue
        in_changelog = False
        for said in _SENTENCE.split(" ".join(line.strip() for line in lines)):
            if len(said) <= MAX_SENTENCE and not _OTHER.search(said):
                yield said
