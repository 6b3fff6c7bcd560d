# SPDX-License-Identifier: GPL-2.0-only
"""Which claims a run is judged by, and what is said about them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.claims.letter import Letter, RunStatement, choose, describe, read_letter
from harness.claims.statement import parse_claims
from harness.project.claim import Claim, Figures
from harness.project.project import Project
from tests.unit.claims.test_letters import HEADERS, PROCEDURE, SENTENCE

GUESTS = Project.find().guests()
SPACES = "A 100 GB fsdax namespace (map=dev) and a 100 GB devdax namespace (align=2097152).\n\n"
NAMED = "cover letter <two@example.org>"
SETTING = ("pmem-4g", 5)
ND = Claim(
    version=3,
    metric="nd_pmem",
    guest="pmem-100g",
    rebinds=30,
    base=Figures(250.5, mean_decimals=2),
    tip=Figures(100.2, mean_decimals=2),
    quotes=(SENTENCE,),
)
KEPT = (replace(ND, quotes=()), replace(ND, metric="dax_pmem", tip=Figures(110), quotes=()))
NONE = RunStatement()


def letter(text: str = SENTENCE) -> Letter:
    return read_letter(f"{HEADERS}\n{PROCEDURE}{SPACES}{text}\n".encode(), GUESTS, 3)


def test_a_letters_claims_are_used_and_shown_with_their_lines() -> None:
    chosen = choose((), letter(f"{SENTENCE} Misses of it fall by 40%."), NAMED, NONE, SETTING)
    assert chosen.own is not None
    assert chosen.own.source == NAMED
    assert [replace(c, quotes=()) for c in chosen.own.claims] == [replace(ND, quotes=())]
    assert chosen.said == (
        f"claim nd_pmem: 250.50 -> 100.20 ms ({NAMED})",
        f"  line 10: {SENTENCE} Misses of it fall by 40%.",
        f"left open: {NAMED}, {chosen.own.left_open[0]}",
    )
    assert "line 10: '40%'" in chosen.own.left_open[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is faster.", "contains no claim that can be read"),
        (f"{SENTENCE}\n\nThe average rebind of nd_pmem falls from 9 ms to 8 ms.", "two averages"),
    ],
)
def test_a_letter_without_claims_is_said_in_one_line(text: str, said: str) -> None:
    chosen = choose((), letter(text), NAMED, NONE, SETTING)
    assert chosen.own is not None
    assert chosen.own.claims == ()
    assert said in chosen.said[0]
    assert chosen.said[0].startswith(f"no claims: {NAMED} ")
    assert "--claim" in chosen.said[0]


def test_without_a_letter_there_are_no_claims() -> None:
    chosen = choose((), None, "the mails have no cover letter", NONE, SETTING)
    assert chosen.own is not None
    assert chosen.own.claims == ()
    (said,) = chosen.said
    assert said.startswith("no claims: the mails have no cover letter; ")


def test_a_letter_that_does_not_describe_its_guest_has_none() -> None:
    raw = f"{HEADERS}\n{PROCEDURE}{SENTENCE}\n".encode()
    assert [c.guest for c in read_letter(raw, GUESTS, 3).claims] == [""]
    host = SENTENCE.replace("The", "On bare metal the", 1)
    assert [(c.guest, c.setup) for c in letter(host).claims] == [("", "physical")]


def test_series_yaml_counts_more_and_what_differs_is_said() -> None:
    assert choose(KEPT, letter(), NAMED, NONE, SETTING) == choose(KEPT, None, "", NONE, SETTING)
    assert choose(KEPT, None, "", NONE, SETTING).own is None
    other = (replace(ND, tip=Figures(99)),)
    chosen = choose(other, letter(), NAMED, NONE, SETTING)
    assert chosen.own is None
    (said,) = chosen.said
    assert said == (
        f"{NAMED} claims nd_pmem: 250.50 -> 100.20 ms; series.yaml, which counts, has "
        "nd_pmem: 250.50 -> 99 ms"
    )
    (said,) = choose(KEPT[1:], letter(), NAMED, NONE, SETTING).said
    assert "also claims nd_pmem: 250.50 -> 100.20 ms, which series.yaml does not have" in said
    # In a letter of two set-ups it is the VM that series.yaml is about.
    text = f"In a VM t{SENTENCE[1:]}\n\nOn bare metal:\n\n{SENTENCE.replace('100.20', '90.00')}"
    (said,) = choose(KEPT, letter(text), NAMED, NONE, SETTING).said
    assert "on a physical host: 250.50 -> 90.00 ms, which series.yaml does not have" in said


@pytest.mark.parametrize("kept", [(), KEPT])
def test_no_claims_leaves_all_out(kept: tuple[Claim, ...]) -> None:
    chosen = choose(kept, letter(), NAMED, RunStatement(no_others=True), SETTING)
    assert chosen.own is not None
    assert (chosen.own.source, chosen.own.claims) == ("--no-claims", ())
    assert chosen.said == ("no claims are used: --no-claims",)


def test_stated_claims_replace_those_about_the_same() -> None:
    stated = parse_claims(["nd_pmem=50%", "dax_pmem@4=10%"])
    chosen = choose(KEPT, None, "", RunStatement(stated), SETTING)
    assert chosen.own is not None
    assert chosen.own.source == "series.yaml, --claim"
    found = [(c.metric, c.after_patch, c.claimed_percent, c.guest) for c in chosen.own.claims]
    assert found == [
        ("dax_pmem", None, 56.1, "pmem-100g"),
        ("nd_pmem", None, 50, "pmem-4g"),
        ("dax_pmem", 4, 10, "pmem-4g"),
    ]
    assert [c.rebinds for c in chosen.own.claims] == [30, 5, 5]
    assert chosen.said == (
        "claim nd_pmem: 50 % less (--claim nd_pmem=50%)",
        "claim dax_pmem after patch 4: 10 % less (--claim dax_pmem@4=10%)",
    )
    alone = choose(KEPT, letter(), NAMED, RunStatement(stated, no_others=True), SETTING)
    assert alone.own is not None
    assert [c.quotes[0] for c in alone.own.claims] == [c.quotes[0] for c in stated]


def test_a_long_list_of_open_lines_is_cut() -> None:
    text = "\n\n".join([SENTENCE, *(f"Misses of nd_pmem fall by {n}%." for n in range(10, 30))])
    chosen = choose((), letter(text), NAMED, NONE, SETTING)
    assert chosen.own is not None
    assert len(chosen.own.left_open) == 20
    assert chosen.said[-1] == "left open: 10 more lines"


@given(st.sampled_from([b"", f"{HEADERS}\n".encode()]), st.binary(max_size=200))
def test_any_bytes_are_a_letter(headers: bytes, body: bytes) -> None:
    found = read_letter(headers + body, GUESTS, 1)
    chosen = choose((), found, NAMED, NONE, SETTING)
    assert chosen.own is not None
    assert chosen.said
    for claim in found.claims:
        assert describe(claim)


WORDS = st.lists(
    st.sampled_from(
        [*SENTENCE.split(), "In a VM:", "On bare metal:", "Base:", "With this series:", "dax_pmem",
         "\n", "\n\n", "by 59.4%", "273.52 ms", "111.08\nms", "respectively", "first binding",
         "After patch 1", ". ", "> ", "->", "s",
         "Average rebind (ms)  base  patched\nnd_pmem  5  4\n"]
    ),
    max_size=40,
)  # fmt: skip


@given(WORDS)
def test_every_figure_is_in_the_lines_that_state_it(words: list[str]) -> None:
    raw = f"{HEADERS}\n{PROCEDURE}{' '.join(words)}\n"
    lines = raw.split("\n")
    found = read_letter(raw.encode(), GUESTS, 1)
    for claim, numbers in zip(found.claims, found.lines, strict=True):
        assert claim.quotes == tuple(lines[number - 1].strip() for number in numbers)
        text = " ".join(claim.quotes)
        figures = (claim.base and claim.base.mean, claim.tip and claim.tip.mean, claim.reduction)
        for figure in figures:
            assert figure is None or str(figure) in text
