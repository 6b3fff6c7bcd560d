# SPDX-License-Identifier: GPL-2.0-only
"""Text of patches, consoles and tools never changes the structure of a report."""

import email
import email.policy
import functools
import json
import re
import unicodedata
from collections.abc import Callable
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.judge.conclude import Conclusion, conclude
from harness.judge.conditions.noise import Noise
from harness.record.record import Finding, Unbuilt
from harness.report.escaping import one_line, printable
from harness.report.formats.b4 import b4
from harness.report.formats.github import annotations
from harness.report.formats.junit import junit
from harness.report.formats.kcidb import kcidb
from harness.report.formats.ktap import ktap
from harness.report.formats.markdown import markdown
from tests.unit.builders import claims
from tests.unit.conclusions import named, per_patch_broken
from tests.unit.reports import as_mail, as_terminal

replace = msgspec.structs.replace
FAILED = named()["failed"]
#: Markup of each format.
MARKUP = (
    "#", "]]>", "|", "`", "```", "::error::x", "##[error]x", "\n", "\r\n", "\x1b[31m", "\x00",
    "\u202e", "\u2028", "\ud800", "<b>", "&amp;", "</details>", "<!--", "[x](y)", "![x](y)",
    "**", "@user", "https://x.example", "ok 1 x", "not ok 1 - x # SKIP", "1..9", " # SKIP ",
    "KTAP version 1", "# Subtest: x", "Subtest: x", "Kernel panic - not syncing: VFS: x",
    "List of all partitions:", "reboot: System halted", "Tested-by: X <x@example.org>",
    "\n\nTested-by: X <x@example.org>\n", "\nBcc: x@example.org\n", "From x", "[bold]x[/]", "]",
    "%0A::error::x", "é", "中" * 50, "x" * 3000,
)  # fmt: skip
hostile = st.lists(st.sampled_from(MARKUP) | st.text(max_size=20), max_size=6).map("".join)


def spoilt(text: str) -> Conclusion:
    """Return a failed run with the given text in every field that holds text of others."""
    rec = FAILED.record
    machine = replace(
        rec.machine, cpu=f"CPU {text}", accelerator_proof=text, tools={"qemu": text}, kernel=text
    )
    *boots, last = rec.boots
    last = replace(last, reason=text, findings=(Finding("warn", 1, f"{text}\nsplat {text}"),))
    changed = replace(
        rec,
        machine=machine,
        subject=replace(rec.subject, source=f"mbox {text}"),
        builds=tuple(replace(build, compiler=text) for build in rec.builds),
        boots=(*boots, last),
        reason=text,
    )
    claim = replace(claims()[0], quotes=(f"It is {text}", text))
    verdicts = tuple(replace(verdict, reason=text, claim=claim) for verdict in FAILED.verdicts)
    noise = (Noise("load", text, text, text),)
    return replace(FAILED, record=changed, verdicts=verdicts, noise=noise)


def spoilt_prefixes(text: str) -> Conclusion:
    """Return a per-patch run with the given text in subjects and compiler output."""
    rec = per_patch_broken()
    base, tip = rec.builds
    changed = replace(
        rec,
        subject=replace(rec.subject, patch_subjects=(f"mm: {text}", f"mm: {text}")),
        builds=(base, replace(tip, prefix=1, name="1", new_warnings=(f"mm/x.c: {text}",))),
        boots=tuple(replace(b, build="1") if b.build == "2" else b for b in rec.boots),
        unbuilt=(Unbuilt(2, f"does not build: {text}\nmm/x.c:1: error: {text}"),),
    )
    return conclude(changed, claims())


PLAIN, PLAIN_PREFIXES = spoilt("plain"), spoilt_prefixes("plain")


@functools.cache
def plain_skeletons(form: str) -> tuple[object, object]:
    return SKELETONS[form](PLAIN), SKELETONS[form](PLAIN_PREFIXES)


def check(form: str, text: str) -> None:
    """Assert that a format has the same structure with this text in it."""
    skeleton = SKELETONS[form]
    assert (skeleton(spoilt(text)), skeleton(spoilt_prefixes(text))) == plain_skeletons(form)


_KTAP = re.compile(r"\s*(KTAP version|TAP version|(ok|not ok) [0-9]|1\.\.[0-9]|# Subtest: )")
_ENDS = ("List of all partitions:", "Kernel panic - not syncing: VFS:", "reboot: System halted")


def ktap_skeleton(conclusion: Conclusion) -> list[str]:
    """Return the lines that a parser does not take for diagnostics, without the text after #."""
    text = ktap(conclusion)
    assert not any(end in text for end in _ENDS)
    assert text.isprintable() or set(text) - {"\n"} <= set(filter(str.isprintable, text))
    found = []
    for line in text.split("\n"):
        if _KTAP.match(line):
            result, _, rest = line.partition(" # ")
            assert "#" not in rest
            found.append(f"{result} # {rest.partition(' ')[0]}" if "ok " in result else line)
        else:
            assert re.fullmatch(r"( {2})?# [^#]*|", line), line
    return found


def xml_skeleton(conclusion: Conclusion) -> list[tuple[str, list[str]]]:
    return [(e.tag, sorted(e.attrib)) for e in ElementTree.fromstring(junit(conclusion)).iter()]


def html_skeleton(conclusion: Conclusion) -> list[str]:
    """Return the tags that Markdown is rendered to; a console may have any number of lines."""
    text = markdown(conclusion)
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert "##[" not in text
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    return re.findall(r"<[^>]*>", html)


def mail_skeleton(conclusion: Conclusion) -> list[str]:
    raw = as_mail(conclusion)
    assert all(len(line.decode()) <= 78 for line in raw.split(b"\n"))
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message.defects == []
    body = message.get_content()
    assert not re.search(r"-by\s*:", body, re.IGNORECASE)  # git takes blanks before the colon
    assert all(c == "\n" or c.isprintable() for c in body)
    return [*message.keys(), str(message["Subject"]), str(message["From"])]


def annotation_skeleton(conclusion: Conclusion) -> list[str]:
    lines = annotations(conclusion).split("\n")
    assert all(c.isprintable() for line in lines for c in line)
    return [re.sub(r"title=[^:,]*::.*", "", line) for line in lines]


def b4_skeleton(conclusion: Conclusion) -> list[str]:
    (entry,) = json.loads(b4(conclusion))
    assert "\n" not in entry["summary"]
    assert all(line.isprintable() for line in entry["details"].split("\n"))
    return [*entry, entry["tool"], entry["status"], str(entry["details"].count("\n"))]


def terminal_skeleton(conclusion: Conclusion) -> int:
    text = as_terminal(conclusion)
    assert all(c == "\n" or c.isprintable() for c in text)
    return 0


def kcidb_skeleton(conclusion: Conclusion) -> list[tuple[str, str]]:
    report = json.loads(kcidb(conclusion))
    return [(test["path"], test["status"]) for test in report["tests"]]


SKELETONS: dict[str, Callable[[Conclusion], object]] = {
    "ktap": ktap_skeleton,
    "junit": xml_skeleton,
    "markdown": html_skeleton,
    "mail": mail_skeleton,
    "github": annotation_skeleton,
    "b4": b4_skeleton,
    "terminal": terminal_skeleton,
    "kcidb": kcidb_skeleton,
}


@pytest.mark.parametrize("form", SKELETONS)
def test_markup_is_text(form: str) -> None:
    # One by one they take long: not with the profile `fast`, nor for these two forms.
    is_short = form in ("kcidb", "terminal") or settings().max_examples < len(MARKUP)
    for text in (*(() if is_short else MARKUP), "".join(MARKUP[:-1]), "\n".join(MARKUP)):
        check(form, text)


@pytest.mark.parametrize("form", SKELETONS)
@given(text=hostile)
@settings(max_examples=settings().max_examples // 6)
def test_any_text_stays_text(form: str, text: str) -> None:
    check(form, text)


@given(st.text())
@example("\ud800")
def test_printable_text_has_no_control_characters(text: str) -> None:
    made = printable(text)
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs") or c in "\n\t" for c in made)
    assert printable(made) == made


@given(st.text(), st.integers(2, 50))
def test_one_line_keeps_to_one_line_and_its_limit(text: str, limit: int) -> None:
    made = one_line(text, limit)
    assert len(made) <= limit
    assert made.isprintable()
