# SPDX-License-Identifier: GPL-2.0-only
"""Select series from varied threads with real b4; count what is right, refused, wrong. By hand:

    .venv/bin/python -m tests.fuzz.threads [--threads 1000] [--jobs 2] [--first 0]

Each thread is made from its seed: one to three versions of a series, numbered in the ways of real
lists, with cover letters, replies, fixes and, in half of them, damage. A selection is wrong if its
patches, cover letter or fixes are not those that the thread was made of, or if damage went
unnoticed. Prints one JSON object, with the seeds of what is wrong; exits with 1 if anything is.
"""

import argparse
import collections
import json
import random
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.host.cache import Cache
from harness.series.mails.mail import MailError
from harness.series.mails.select import Selected, select

AUTHOR, REVIEWER = "A Developer <dev@example.org>", "R Viewer <rev@example.org>"
#: Tags with the version, number and total in their places.
NUMBERED = (
    *("PATCH{v} {n}/{of}", "PATCH {n}/{of}{v}", "RFC PATCH{v} {n}/{of}", "RFC{v} {n}/{of}"),
    *("PATCH{v} mm-new {n:02}/{of:02}", "patch{v} {n}/{of}", "PATCH RESEND{v} {n}/{of}"),
    *("PATCH 6.1.y{v} {n}/{of}", "PATCH 5.10/5.15{v} {n}/{of}", "PATCH{v},{n}/{of}"),
)
ALONE = ("PATCH{v}", "PATCH{v} {n}/{of}", "RFC{v}")
DIFF = (
    "diff --git a/mm/{0}.c b/mm/{0}.c\n--- a/mm/{0}.c\n+++ b/mm/{0}.c\n@@ -4 +4 @@ f(void)\n"
    "-\ta;\n+\t{1};\n"
)


class Posting(msgspec.Struct):
    """A mail of the thread; `kind` says what it is of `version`."""

    name: str
    subject: str
    kind: str
    version: int
    number: int = 0
    answers: list[str] = []
    text: str = "Text."
    diff: str = ""
    sender: str = AUTHOR
    day: int = 1

    def raw(self) -> bytes:
        """Return the mail as an archive sends it."""
        head = f"From: {self.sender}\nDate: {self.day:02} Jun 2026 12:{self.number:02}:00 +0000\n"
        head += f"Subject: {self.subject}\nMessage-ID: <{self.name}>\n"
        if self.answers:
            head += f"In-Reply-To: <{self.answers[-1]}>\n"
            head += f"References: {' '.join(f'<{name}>' for name in self.answers)}\n"
        separator = "From mboxrd@z Thu Jan  1 00:00:00 1970\n"
        return f"{separator}{head}\n{self.text}\n---\n{self.diff}-- \n2.39.5\n\n".encode()


class Thread:
    """A thread made from a seed, and which series it holds."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.posts: list[Posting] = []
        self.versions = sorted(self.dice.sample(range(1, 6), self.dice.choice((1, 1, 2, 3))))
        self.style = self.dice.choice(NUMBERED)
        in_one = self.dice.random() < 0.5
        for at, version in enumerate(self.versions):
            first = self.posts[0].name if in_one and self.posts else ""
            self._post(version, day=3 * at + 1, first=first)
        self.wanted = self.dice.choice((None, *self.versions))
        self.chosen = self.wanted or self.versions[-1]
        self.damage = ""
        if self.dice.random() < 0.5:
            # Without its only patch, a thread may be that of a fix alone.
            is_alone = len(self.of("patch")) == 1
            kinds = [name for name in DAMAGE if not is_alone or name != "a patch is missing"]
            self.damage = self.dice.choice(kinds)
            DAMAGE[self.damage](self)
        if self.dice.random() < 0.7:
            self.dice.shuffle(self.posts)

    def _post(self, version: int, *, day: int, first: str) -> None:
        dice = self.dice
        total = dice.choice((1, 2, 2, 3, 3, 5, 8, 12))
        style = self.style if total > 1 else dice.choice(ALONE)
        v = f" v{version}" if version > 1 or dice.random() < 0.1 else ""
        above = [first] if first else []
        if has_cover := total > 1 and dice.random() < 0.8:
            name = f"v{version}-0@example.org"
            subject = f"[{style.format(v=v, n=0, of=total)}] mm: faster"
            self.posts.append(Posting(name, subject, "cover", version, 0, list(above), day=day))
            above = [*above, name]
        deep = dice.random() < 0.2
        for n in range(1, total + 1):
            name = f"v{version}-{n}@example.org"
            subject = f"[{style.format(v=v, n=n, of=total)}] mm: step {n}"
            diff = DIFF.format(f"x{n}", f"v{version}")
            answers = list(above)
            self.posts.append(
                Posting(name, subject, "patch", version, n, answers, diff=diff, day=day)
            )
            if deep or (n == 1 and not has_cover):
                above = [*above, name]
        for _ in range(dice.choice((0, 1, 2, 4))):
            self._answer(version, day + 1)

    def _answer(self, version: int, day: int) -> None:
        dice = self.dice
        about = dice.choice([p for p in self.posts if p.version == version and p.kind != "fix"])
        answers = [*about.answers, about.name]
        name = f"a{len(self.posts)}@example.org"
        re_ = about.subject if about.subject.startswith("Re: ") else f"Re: {about.subject}"
        quoted = "\n".join(f"> {line}" for line in about.diff.splitlines())
        diff = DIFF.format("y", name[:3])
        title = about.subject.partition("] ")[2]
        tags = "Reviewed-by: R Viewer <rev@example.org>"
        kind, subject, text, own = dice.choice(
            (
                ("reply", re_, f"{quoted}\n{tags}", ""),
                ("reply", re_, "Why?", ""),
                ("proposal", re_, f"{quoted}\nHow about this?", diff),
                ("fix", f"[PATCH] {title}", "Text.", diff),
                ("fix", f"[PATCH] fixup! {title}", "Text.", diff),
                ("fix", f"[PATCH 1/1] {title} again", "Text.", diff),
                ("fix", f"mm-step-{len(self.posts)}-fix", "Text.", diff.partition("\n")[2]),
                ("fix", re_, "Andrew, please fold this in.", diff),
            )
        )
        # A patch alone and a patch without number that answers it are of the same form as a reroll.
        sender = REVIEWER if kind in ("reply", "proposal") else AUTHOR
        n = len(self.posts)
        self.posts.append(Posting(name, subject, kind, version, n, answers, text, own, sender, day))

    def of(self, kind: str) -> list[Posting]:
        """Return the mails of a kind that are of the chosen version."""
        return [p for p in self.posts if p.kind == kind and p.version == self.chosen]

    def fault(self, found: Selected) -> str:
        """Return what of a selection is not what the thread was made of, "" for nothing."""
        patches = sorted(self.of("patch"), key=lambda p: p.number)
        is_ambiguous = (
            (self.damage == "a part of the next version" and self.wanted is None)
            or (self.damage == "another patch is in the mbox" and len(patches) == 1)
            or (self.damage and self.damage not in HARMLESS)
        )
        if is_ambiguous:
            return f"{self.damage} was not noticed"
        wanted = list(dict.fromkeys(p.name for p in patches))
        if [patch.message_id for patch in found.patches] != wanted:
            return "other patches"
        covers = {p.name for p in self.of("cover")}
        if {found.cover.message_id if found.cover else None} - covers - {None} or (
            covers and found.cover is None
        ):
            return "another cover letter"
        if {m.message_id for m in found.fixes} != {p.name for p in self.of("fix")}:
            return "other fixes"
        others = {p.name for p in self.posts if p.diff} - set(wanted)
        if {m.message_id for m in (*found.fixes, *found.left_out)} != others:
            return "mails with diffs that are not named"
        return ""


def _any(thread: Thread) -> Posting:
    return thread.dice.choice(thread.of("patch"))


def _drop(thread: Thread) -> None:
    thread.posts.remove(_any(thread))


def _total(thread: Thread) -> None:
    one = _any(thread)
    of = len(thread.of("patch"))
    one.subject = f"[PATCH v{thread.chosen} {one.number}/{of + 1}] mm: step"


def _again(thread: Thread) -> None:
    one = _any(thread)
    thread.posts.append(
        msgspec.structs.replace(one, name="again@example.org", diff=DIFF.format("z", "z"))
    )


def _twice(thread: Thread) -> None:
    thread.posts.append(msgspec.structs.replace(_any(thread)))


def _cut(thread: Thread) -> None:
    one = _any(thread)
    one.diff = one.diff.replace("@@ -4 +4", "@@ -4,9 +4,9")


def _wrapped(thread: Thread) -> None:
    one = _any(thread)
    one.diff = one.diff.replace("-\ta;", "-\ta\n;")


def _answered(thread: Thread) -> None:
    one = _any(thread)
    one.subject = f"Re: {one.subject}"


def _nobody(thread: Thread) -> None:
    _any(thread).sender = ""


def _other(thread: Thread) -> None:
    v = f" v{thread.chosen}" if thread.chosen > 1 else ""
    diff = DIFF.format("other", "other")
    thread.posts.append(
        Posting("o@example.org", f"[PATCH{v}] mm: other", "other", 0, 1, diff=diff, day=9)
    )


def _part(thread: Thread) -> None:
    """Post one patch of the next version alone, as an answer."""
    one, after = _any(thread), thread.versions[-1] + 1
    of = len(thread.of("patch")) + 1
    diff = DIFF.format("x", "part")
    subject = f"[PATCH v{after} {of}/{of}] mm: step"
    answers = [*one.answers, one.name]
    thread.posts.append(
        Posting("part@example.org", subject, "part", after, 1, answers, diff=diff, day=15)
    )


DAMAGE: dict[str, Callable[[Thread], None]] = {
    "a patch is missing": _drop,
    "a patch says another total": _total,
    "a number is there twice": _again,
    "a hunk is cut": _cut,
    "a line is wrapped": _wrapped,
    "a patch is called a reply": _answered,
    "a patch has no sender": _nobody,
    "another patch is in the mbox": _other,
    "a part of the next version": _part,
    "a mail came twice": _twice,
}
#: With these, a series can still be selected; all other damage has to be refused.
HARMLESS = ("a mail came twice", "a part of the next version", "another patch is in the mbox")


def tried(folder: Path, seed: int) -> tuple[int, str, str]:
    """Return a seed, what became of its thread, and details."""
    thread = Thread(seed)
    damage = thread.damage or "whole"
    cache = Cache(folder / str(seed % 8))
    cache.root.mkdir(exist_ok=True)
    try:
        found = select(cache, b"".join(post.raw() for post in thread.posts), thread.wanted)
    except (MailError, HarnessError) as error:
        return seed, f"refused: {damage}", str(error)
    fault = thread.fault(found)
    return (seed, "wrong", fault) if fault else (seed, f"right: {damage}", "")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.threads)
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(asked.jobs) as pool:
        found = list(pool.map(partial(tried, Path(folder)), seeds))
    counts = collections.Counter(outcome for _, outcome, _ in found)
    wrong = {seed: why for seed, outcome, why in found if outcome == "wrong"}
    whole = {seed: why for seed, outcome, why in found if outcome == "refused: whole"}
    print(json.dumps({"counts": counts, "wrong": wrong, "refused though whole": whole}, indent=2))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
