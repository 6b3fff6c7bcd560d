# SPDX-License-Identifier: GPL-2.0-only
"""Cover letters as people write them: what is read, and what is left open and named by its line."""

import base64
import quopri

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.claims.claims import Posting, UserAnswers, read_posting
from harness.claims.words import words_of

HEADERS = """\
From: A Developer <dev@example.org>
Subject: [PATCH 0/2] two
Date: Fri, 15 May 2026 10:00:00 +0800
Message-ID: <two@example.org>
"""
PROCEDURE = "Base: v7.1-rc3. The drivers were rebound 30 times.\n\n"
#: The line of the file at which a letter's own text begins.
FIRST = 8
ND = ("nd_pmem", 250.5, 100.2, None)
DAX = ("dax_pmem", 300.5, 120.2, None)
Row = tuple[str, float | None, float | None, float | None]


def read(text: str, given: UserAnswers | None = None) -> Posting:
    return read_posting(f"{HEADERS}\n{PROCEDURE}{text}\n".encode(), given or UserAnswers())


def claims(posting: Posting) -> list[Row]:
    return [
        (c.metric, c.base and c.base.mean_ms, c.tip and c.tip.mean_ms, c.reduction_percent)
        for c in posting.claims
    ]


def named(posting: Posting) -> list[int]:
    return [problem.line for problem in posting.problems if not problem.fatal]


def block(base: float, tip: float, title: str = "", with_series: str = "With this series:") -> str:
    row = "    Average of subsequent rebinds: {:.2f} ms\n".format
    return f"{title}  Base(v7.1-rc3):\n{row(base)}  {with_series}\n{row(tip)}"


SENTENCE = "The average rebind of nd_pmem falls from 250.50 ms to 100.20 ms."
TWO_DRIVERS = "{0}" + block(250.5, 100.2) + "\n{1}" + block(300.5, 120.2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SENTENCE, [ND]),
        # Percentages that are reductions.
        ("The average rebind of nd_pmem drops by 59.4%.", [("nd_pmem", None, None, 59.4)]),
        ("Average rebinds of nd_pmem are 59.4% lower.", [("nd_pmem", None, None, 59.4)]),
        (f"{SENTENCE[:-1]}, a reduction of 60.0%.", [("nd_pmem", 250.5, 100.2, 60.0)]),
        (f"{SENTENCE[:-1]} (60.0%).", [("nd_pmem", 250.5, 100.2, 60.0)]),
        (
            "The average rebind falls by 59.4 per cent for nd_pmem and 64.8 per cent for dax_pmem.",
            [("nd_pmem", None, None, 59.4), ("dax_pmem", None, None, 64.8)],
        ),
        # A title above a block.
        (TWO_DRIVERS.format("nd_pmem rebind, map=dev\n", "dax_pmem rebind, align=2M\n"), [ND, DAX]),
        (TWO_DRIVERS.format("nd_pmem:\n\n", "dax_pmem:\n\n"), [ND, DAX]),
        (TWO_DRIVERS.format("Results for nd_pmem (map=dev):\n", "On dax_pmem:\n"), [ND, DAX]),
        (TWO_DRIVERS.format("fsdax namespace:\n", "devdax namespace:\n"), [ND, DAX]),
        (block(250.5, 100.2, "nd_pmem\n", "Full series:"), [ND]),
        (block(250.5, 100.2, "nd_pmem\n", "The whole patch series:"), [ND]),
        (block(250.5, 100.2, "nd_pmem\n", "All patches:"), [ND]),
        # A table's unit is in its header.
        (("Average rebind (ms)  base    patched\nnd_pmem              250.50  100.20\n"
          "dax_pmem             300.50  120.20"), [ND, DAX]),
        (("| Average rebind (ms) | base | with this series |\n|---|---|---|\n"
          "| nd_pmem | 250.50 | 100.20 |\n| dax_pmem | 300.50 | 120.20 |"), [ND, DAX]),
        ("Average rebind  base [us]  patched [us]\n-----\nnd_pmem  250500  100200", [ND]),
        ("Rebind (ms)  patched  base (v7.1-rc3)\nnd_pmem, mean  100.20  250.50", [ND]),
        # A unit on the next line.
        (SENTENCE.replace("250.50 ms", "250.50\nms").replace("100.20 ms", "100.20 \n  ms"), [ND]),
        # The only driver that is named.
        (block(250.5, 100.2) + "\nThese are figures of nd_pmem.", [ND]),
        # A cover letter's text may be below ---.
        ("Changes since v1:\n * rebased\n\n---\n\n" + SENTENCE, [ND]),
        # No figures: assembly, an apostrophe, a format.
        (f"  movl    $7, %eax\nIt is a 2's complement, 5%d.\n{SENTENCE}", [ND]),
    ],
)  # fmt: skip
def test_letters_that_are_read(text: str, expected: list[Row]) -> None:
    posting = read(text)
    assert posting.fatal is None
    assert claims(posting) == expected


@pytest.mark.parametrize(
    "text",
    [
        # To a percentage, a range, a bound, more than a reduction.
        "The average rebind of nd_pmem drops to 40.6% of what it was.",
        "The average rebind of nd_pmem drops to 40.6%.",
        "The average rebind of nd_pmem is reduced from 100% to 40.6%.",
        "Average rebind of nd_pmem: 40.6% of base.",
        "The average rebind of nd_pmem falls by 40 to 50%.",
        "The average rebind of nd_pmem falls by 40% - 50%.",
        "The average rebind of nd_pmem falls by 40% or more.",
        "The average rebind of nd_pmem falls by 40 percentage points.",
        "The average rebind of nd_pmem falls by another 40%.",
        "The average rebind of nd_pmem increases by 40%.",
        "The average rebind of nd_pmem is 40% faster and reduces noise.",
        "The average rebind of nd_pmem does not drop by 40%.",
        "The average rebind of nd_pmem should drop by 40%.",
        # Other statistics.
        "The median rebind of nd_pmem falls from 272.5 ms to 110.5 ms.",
        "The median (close to the average) rebind of nd_pmem falls from 272.5 ms to 110.5 ms.",
        "The maximum rebind of nd_pmem, on average, falls from 272.5 ms to 110.5 ms.",
        "The p99 of nd_pmem's rebinds falls from 272.5 ms to 110.5 ms.",
        "The 99th percentile, not the mean, of rebinds of nd_pmem: 272.5 ms -> 110.5 ms.",
        "The trimmed mean of nd_pmem rebinds falls from 272.5 ms to 110.5 ms.",
        "The standard deviation of the rebinds of nd_pmem falls from 4.1 ms to 2.2 ms.",
        "The average rebind of nd_pmem is 250 \u00b1 3 ms before this series.",
        "All 30 rebinds of nd_pmem, on average, take in total 7500 ms -> 3000 ms.",
        "The rebind of nd_pmem falls from 250 ms to 100 ms.",
        "The average of the first 5 rebinds of nd_pmem falls from 250 ms to 100 ms.",
        "The average time per page of nd_pmem falls from 12 ns to 4 ns.",
        "The average rebind of nd_pmem is from 240 ms to 260 ms.",
        "The average rebind of nd_pmem takes from 240 ms to 260 ms.",
        "The average rebind of nd_pmem falls from 1 min 3 s to 59 s.",
        # A part of the time, another quantity, a difference.
        "This series reduces what takes 72% of the average rebind of nd_pmem.",
        "memmap_init falls by 72% in the average rebind of nd_pmem.",
        "The average rebind of nd_pmem spends 200 ms -> 80 ms in memmap_init.",
        "LLC misses during the rebinds of nd_pmem drop by 80%.",
        "LLC misses of the average rebind of nd_pmem drop by 80%.",
        "On average the boot with nd_pmem falls from 20 s to 10 s.",
        "With this series the average rebind of nd_pmem falls by 150 ms.",
        "With this series the average rebind of nd_pmem takes 150 ms less.",
        # The other direction, another version, a question.
        "Without this series the average rebind of nd_pmem rises from 100 ms to 250 ms.",
        "Reverting this series lets the average rebind of nd_pmem rise from 100 ms to 250 ms.",
        "With v1 the average rebind of nd_pmem fell from 250 ms to 100 ms.",
        "The average rebind of nd_pmem falls from 250 ms to 100 ms?",
        # A patch's own effect, patches in the middle, another base.
        "Patch 2 lowers the average rebind of nd_pmem from 250 ms to 100 ms.",
        "Patch 2/2 reduces the average rebind of nd_pmem by 20%.",
        "Patches 2-3 reduce the average rebind of nd_pmem by 20%.",
        "With patches 2 and 3 the average rebind of nd_pmem falls by 20%.",
        "After patches 2, 3 the average rebind of nd_pmem falls by 20%.",
        "Without patch 2 the average rebind of nd_pmem is 250 ms, with patch 2 100 ms.",
        "Before patch 2, the average rebind of nd_pmem is 250 ms, after patch 2 100 ms.",
        # Which drivers?
        "The average rebind of both drivers falls by 20%. It is nd_pmem that matters.",
        "The average rebind falls by 20% for each of the drivers. It is nd_pmem that matters.",
        # Three times in a row; patches that are not the series.
        "nd_pmem average rebind: 250 ms -> 100 ms -> 90 ms",
        "The average rebind of nd_pmem falls from 250 ms to 100 ms to 90 ms.",
        "With the patches before, the average rebind of nd_pmem falls from 300 ms to 250 ms.",
        # Several set-ups in one sentence.
        "In the VM and on the host the average rebind of nd_pmem falls from 250 ms to 100 ms.",
    ],
)
def test_sentences_that_are_left_open(text: str) -> None:
    posting = read(text)
    assert not posting.claims
    assert set(named(posting)) == {FIRST}


@given(st.from_regex(r"[a-z_]{3,12}", fullmatch=True), st.integers(0, len(SENTENCE.split())))
def test_an_unknown_word_leaves_a_sentence_open(word: str, at: int) -> None:
    assume(words_of("zone_device").unclear_word(word))
    words = SENTENCE.rstrip(".").split()
    posting = read(" ".join([*words[:at], word, *words[at:]]))
    assert not posting.claims
    assert set(named(posting)) == {FIRST}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # Titles that do not certainly say it.
        (block(250, 100, "nd_pmem, median of 30:\n"), [10, 12]),
        (block(250, 100, "Totals of nd_pmem:\n"), [10, 12]),
        (block(250, 100, "memmap_init in nd_pmem:\n"), [10, 12]),
        (block(250, 100, "nd_pmem, dax_pmem:\n"), [10, 12]),
        (block(250, 100, "Those of nd_pmem are above, and\nthose of dax_pmem follow:\n"), [11, 13]),
        (block(250, 100, "Next, nd_pmem is unloaded and dax_pmem loaded:\n"), [10, 12]),
        ("dax_pmem:\n\x07\n" + block(250, 100, "nd_pmem and dax_pmem\n"), [12, 14]),
        # Patches.
        (("Base:\n  nd_pmem average rebind: 250 ms\nWith patches 2-3:\n"
          "  nd_pmem average rebind: 100 ms"), [9, 11]),
        (("Base:\n  nd_pmem average rebind: 250 ms\nWith this series:\n"
          "  nd_pmem average rebind, with patch 1: 100 ms"), [9, 11]),
        # Tables.
        ("Average rebind (ms) base patched\nnd_pmem 250.50 100.20", [9]),
        ("Average rebind (ms):\n\n         base    patched\nnd_pmem  250.50  100.20", [11]),
        ("Average rebind (ms)  base  patched  diff\nnd_pmem  250.50  100.20  150.30", [9]),
        ("Average rebind (ms)  v1  v2\nnd_pmem  250.50  100.20", [9]),
        ("Average rebind (ms)  nd_pmem  dax_pmem\nbase  250  300\npatched  100  120", [9, 10]),
        ("Average rebind (ms)  base  patched\nnd_pmem  250.50  100.20  90.10", [9]),
        ("Average rebind (ms)  base  patched\nnd_pmem, dax_pmem  250.50  100.20", [9]),
        ("Average rebind (ms/GB)  base  patched\nnd_pmem  250.50  100.20", [9]),
        ("Average rebind (ms per GB)  base  patched\nnd_pmem  250.50  100.20", [9]),
        ("Average rebind (%)  base  patched\nnd_pmem  100  40", [9]),
        ("Median rebind (ms)  base  patched\nnd_pmem  250.50  100.20", [9]),
        ("Rebind (ms)  base  patched\nnd_pmem average max  250.50  100.20", [9]),
        ("Misses (ms) per average rebind  base  patched\nnd_pmem  250.50  100.20", [9]),
        ("Average rebind (ms)  base  patched\nnd_pmem  250.50 \u00b13  100.20 \u00b12", [9]),
        ("Average rebind (ms)  base  patched\nnd_pmem  1,250  2,100", [9]),
        ("Tested in a VM and on bare metal.\n\n" + block(250, 100, "nd_pmem:\n"), [12, 14]),
        # Below a title that names another machine, kernel or series.
        (f"On arm64:\n\n{SENTENCE}", [10]),
        (f"In a nested VM:\n\n{SENTENCE}", [10]),
        (f"With v2:\n\nnd_pmem:\n\n{SENTENCE}", [12]),
        # The next driver's title is no part of a sentence.
        (("nd_pmem:\n* the average rebind falls from 250 ms to 100 ms\ndax_pmem:\n"
          "* the average rebind falls from 300 ms to 120 ms"), [9, 11]),
        ("The average rebind of nd_pmem falls by 20 % / 30 rebinds.", [8]),
        ("The average rebind of nd_pmem falls from 250 ms / 150 ms to 100 ms / 80 ms.", [8]),
        # A driver that is named for another reason.
        (block(250, 100) + "\nWe did not measure dax_pmem.", [9, 11]),
        (block(250, 100) + "\ndax_pmem isn't affected.", [9, 11]),
        (block(250, 100) + "\nThe only other driver is dax_pmem.", [9, 11]),
        # What earlier versions were like.
        (f"Changes in v2:\n - rebased\n - {SENTENCE[4:]}", [10]),
        (f"Changes in v2:\n\n - rebased\n\n{SENTENCE}", [12]),
        (f"v1 -> v2:\n * {SENTENCE}", [9]),
        ("Changelog\n---------\n\nv2:\n\n" + block(250, 100, "nd_pmem:\n"), [15, 17]),
        # Not part of the letter.
        ("Range-diff against v1:\n-: " + SENTENCE, [9]),
        ("-- \n" + SENTENCE, [9]),
    ],
)  # fmt: skip
def test_blocks_and_tables_that_are_left_open(text: str, lines: list[int]) -> None:
    posting = read(text)
    assert not posting.claims
    assert sorted(set(named(posting))) == lines


VM, HOST = ("nd_pmem", 250.5, "vm"), ("nd_pmem", 150, "physical")
NO_SETUP = ("nd_pmem", 250.5, None)
ON_HOST = "On bare metal the average rebind of nd_pmem falls from 150 ms to 80 ms."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("In a VM:\n" + block(250.5, 100.2, "nd_pmem:\n") + "\nOn a physical host:\n"
         + block(150, 80, "nd_pmem:\n"), [VM, HOST]),
        (f"{ON_HOST}\nIn the VM t{SENTENCE[1:]}", [VM, HOST]),
        (f"{ON_HOST}\n\nIn the VM t{SENTENCE[1:]}", [VM, HOST]),
        (("Average rebind (ms)  base  patched\nnd_pmem (VM)  250.50  100.20\n"
          "nd_pmem (bare metal)  150  80"), [VM, HOST]),
        # One set-up.
        (SENTENCE, [NO_SETUP]),
        (f"In our VM t{SENTENCE[1:]}", [NO_SETUP]),
        (f"Tested in a VM on a physical host.\n\n{SENTENCE}", [NO_SETUP]),
        (f"The guest runs on the host's first node.\n\n{SENTENCE}", [NO_SETUP]),
        (f"Tested on bare metal.\n\n{SENTENCE}", [("nd_pmem", 250.5, "physical")]),
        # Below the paragraph with figures of bare metal, nothing says where it was.
        (f"{ON_HOST}\n\n{SENTENCE}", [HOST]),
        (("Average rebind (ms)  base  patched\nnd_pmem (bare metal)  150  80\n"
          "dax_pmem  250.50  100.20"), [HOST]),
        # Said afterwards, or excluded.
        (f"{SENTENCE}\n\nAll of this is on bare metal.", []),
        (f"Real hardware behaves alike.\n\n{SENTENCE}", []),
        (f"Not on bare metal, but in a VM.\n\n{SENTENCE}", []),
        (f"Tested with physical NVDIMMs.\n\n{SENTENCE}", [("nd_pmem", 250.5, "physical")]),
        (f"On an Optane machine:\n\n{SENTENCE}", [("nd_pmem", 250.5, "physical")]),
        (f"Tested on an Optane machine.\n\n{SENTENCE}", [("nd_pmem", 250.5, "physical")]),
        (f"Tested without KVM.\n\n{SENTENCE}", []),
        (f"Tested on a real machine rather than in a VM.\n\n{SENTENCE}", []),
    ],
)  # fmt: skip
def test_figures_of_a_vm_and_of_a_physical_host_stay_apart(
    text: str, expected: list[tuple[str, float, str | None]]
) -> None:
    posting = read(text)
    found = [(c.metric, c.base and c.base.mean_ms, c.setup) for c in posting.claims]
    assert found == expected
    if not expected:
        assert any("may be of a VM or of a physical host" in p.what for p in posting.problems)


def test_the_lines_that_name_a_set_up_state_its_claims() -> None:
    row = "  nd_pmem average rebind {} ms -> {} ms\n"
    posting = read(f"In a VM:\n\n{row.format(250, 100)}\nOn bare metal:\n\n{row.format(150, 80)}")
    assert posting.lines == ((FIRST, 10), (12, 14))
    assert [c.quotes[0] for c in posting.claims] == ["In a VM:", "On bare metal:"]
    assert [c.quotes[1:] for c in read(f"In a VM:\n\n{SENTENCE}").claims] == [()]


def test_a_title_does_not_outlive_an_unread_line() -> None:
    text = block(250.5, 100.2, "nd_pmem:\n") + "\n> dax_pmem:\n\n" + block(300.5, 120.2)
    posting = read(text)
    assert claims(posting) == [ND]
    assert [p.line for p in posting.problems] == [17, 19]


def test_two_blocks_under_one_title_contradict_each_other() -> None:
    posting = read(block(250, 100, "nd_pmem:\n") + "\n" + block(300, 120))
    assert posting.fatal
    assert "two averages of one build" in posting.fatal.what


QUOTED = "The average rebind of nd_pmem falls\n>From 250.50 ms to 100.20 ms with this series."


@pytest.mark.parametrize(
    ("separator", "expected"),
    [
        ("From mboxrd@z Thu Jan  1 00:00:00 1970\n", [ND]),
        # Elsewhere it may be a quotation.
        ("From dev@example.org Thu Jan  1 00:00:00 1970\n", []),
        ("", []),
    ],
)
def test_only_an_mboxrd_has_escaped_lines(separator: str, expected: list[Row]) -> None:
    raw = f"{separator}{HEADERS}\n{PROCEDURE}{QUOTED}\n".encode()
    posting = read_posting(raw, UserAnswers())
    assert claims(posting) == expected
    if not expected:
        assert [p.what for p in posting.problems if not p.fatal] == ["is quoted from another mail"]


NO_BREAK = SENTENCE.replace(" ms", "\u00a0ms") + "\n\n5000 \u00b5s of it.\n"


def in_charset(charset: str, encoding: str = "8bit", *, written: str | None = None) -> Posting:
    body = f"{PROCEDURE}{NO_BREAK}".encode(written or charset)
    encoded = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}
    head = f"{HEADERS}MIME-Version: 1.0\nContent-Type: text/plain; charset={charset}\n"
    head += f"Content-Transfer-Encoding: {encoding}\n\n"
    return read_posting(head.encode() + encoded.get(encoding, bytes)(body), UserAnswers())


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("charset", ["iso-8859-1", "ISO-8859-15", "windows-1252", "utf-8"])
def test_bodies_are_decoded(charset: str, encoding: str) -> None:
    posting = in_charset(charset, encoding)
    assert claims(posting) == [ND]
    assert [p.what for p in posting.problems] == [
        "'5000 \u00b5s' does not say which binding it is for"
    ]


@pytest.mark.parametrize("charset", ["us-ascii", "unknown-8bit", "iso-8859-12", "rot13", "zlib"])
def test_an_unknown_charset_is_utf_8(charset: str) -> None:
    assert claims(in_charset(charset, written="utf-8")) == [ND]


@pytest.mark.parametrize("charset", ["utf-8", "us-ascii", "unknown-8bit", "idna", "punycode"])
def test_lines_with_invalid_bytes_are_left_open(charset: str) -> None:
    posting = in_charset(charset, written="iso-8859-1")
    assert not posting.claims
    assert {p.what for p in posting.problems if not p.fatal} == {
        "has bytes that are invalid in its charset"
    }
    assert len(named(posting)) == 2


def test_every_charset_that_is_accepted_is_one() -> None:
    names = [f"iso-8859-{n}" for n in range(20)] + [f"windows-125{n}" for n in range(10)]
    names += [f"cp125{n}" for n in range(10)] + ["koi8-r", "koi8-u", "gbk", "gb2312", "gb18030"]
    names += ["big5", "euc-jp", "euc-kr", "shift_jis", "iso-2022-jp", "iso-2022-kr", "utf8"]
    for name in names:
        assert in_charset(name, written="utf-8").title == "two"


@pytest.mark.parametrize(
    ("heading", "after"),
    [("With patch 1:", 1), ("After patch 1 (v7.1-rc3):", 1), ("With patches 1-2:", None)],
)
def test_a_heading_names_its_patches(heading: str, after: int | None) -> None:
    row = "  nd_pmem average rebind: {} ms\n"
    posting = read(f"Base:\n{row.format(250)}{heading}\n{row.format(100)}")
    (claim,) = posting.claims
    assert (claim.after_patch, claim.base and claim.base.mean_ms) == (after, 250)


def test_without_one_patch_is_not_base() -> None:
    row = "  nd_pmem average rebind: {} ms\n"
    posting = read(f"Before patch 2:\n{row.format(250)}After patch 2:\n{row.format(100)}")
    assert claims(posting) == [("nd_pmem", None, 100, None)]


SPACES = "Tested with a 100 GB fsdax namespace (map=dev) and a devdax namespace of 64 GB.\n\n"


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        (SENTENCE, True),
        (SENTENCE.replace("nd_pmem", "nd_pmem (100 GiB, map=dev)"), True),
        (SENTENCE.replace("nd_pmem", "nd_pmem (map=mem)"), False),
        (SENTENCE.replace("nd_pmem", "nd_pmem of 10 GB"), False),
        (f"With 1 TB, t{SENTENCE[1:]}", False),
        (block(250.5, 100.2, "nd_pmem, map=mem:\n"), False),
        (block(250.5, 100.2, "nd_pmem, map=dev:\n"), True),
        (f"10 GB namespaces:\n\n{SENTENCE}", False),
        (f"100 GB namespaces:\n\n{SENTENCE}", True),
        (f"For map=mem:\n\nnd_pmem:\n\n{SENTENCE}", False),
        ("10 GB namespaces:\n" + block(250.5, 100.2).replace("nds:", "nds of nd_pmem:"), False),
        # That of the other driver, which has another size.
        (SENTENCE.replace("nd_pmem", "nd_pmem of 64 GB"), False),
    ],
)
def test_a_figure_of_another_namespace_is_left_open(text: str, *, is_read: bool) -> None:
    posting = read(SPACES + text)
    assert claims(posting) == ([ND] if is_read else [])
    if not is_read:
        assert any("the namespace described has" in p.what for p in posting.problems)
