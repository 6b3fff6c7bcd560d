# SPDX-License-Identifier: GPL-2.0-only
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.series.bases.named import NamedBase, named_bases, prerequisites

TREES = ("mm-unstable", "mm-new", "mm-stable", "linux-next")
COMMIT = "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d"


@pytest.mark.parametrize(
    ("said", "ref"),
    [
        ("This series is based on v7.1-rc3.", "v7.1-rc3"),
        ("Based on v7.1-rc3.", "v7.1-rc3"),
        ("based on 7.1-rc3", "v7.1-rc3"),
        ("The series is based on v7.1.", "v7.1"),
        ("These patches are based on Linux v6.12.5", "v6.12.5"),
        ("This series is based on the latest mm-unstable.", "mm-unstable"),
        ("This series is based on\nmm-unstable.", "mm-unstable"),
        ("Based on mm/mm-unstable.", "mm-unstable"),
        ("Based on akpm's mm-new branch.", "mm-new"),
        ("This patchset applies cleanly on top of mm-unstable", "mm-unstable"),
        ("The patches apply to next-20260911.", "next-20260911"),
        ("It is rebased onto linux-next.", "linux-next"),
        ("Rebased to v7.2-rc1", "v7.2-rc1"),
        ("This patch set is on top of `mm-stable`.", "mm-stable"),
        ("This series is against v7.1-rc3", "v7.1-rc3"),
        ("The patches were sent late. They are based on (v7.1-rc3).", "v7.1-rc3"),
        ("Base: v7.1-rc3", "v7.1-rc3"),
        ("Based-on: next-20260911", "next-20260911"),
        ("* Based on the tag v7.1-rc3 of Linus' tree", "v7.1-rc3"),
        ("We do.\n\nSigned-off-by: A <a@b.c>\n---\nBased on v7.1-rc3.", "v7.1-rc3"),
        ("THIS SERIES IS BASED ON V7.1-RC3", "v7.1-rc3"),
    ],
)
def test_a_base_is_read(said: str, ref: str) -> None:
    letter = f"Hello,\n\nwe speed it up.\n\n{said}\n\nThanks\n"
    assert named_bases(letter, TREES) == (NamedBase(ref),)


@pytest.mark.parametrize(
    ("said", "ref", "commit"),
    [
        ("Based on mm-unstable commit 1a2b3c4d5e6f.", "mm-unstable", COMMIT[:12]),
        (f"This series is based on commit {COMMIT}.", "", COMMIT),
        ('Based on commit 1a2b3c4d5e6f ("mm: fix it").', "", COMMIT[:12]),
        ("Based on mm-unstable (1a2b3c4d5e6f)", "mm-unstable", COMMIT[:12]),
        ("Based on mm-unstable at 1a2b3c4d5e6f", "mm-unstable", COMMIT[:12]),
    ],
)
def test_a_commit_is_read(said: str, ref: str, commit: str) -> None:
    assert named_bases(said, TREES) == (NamedBase(ref, commit),)


@pytest.mark.parametrize(
    "said",
    [
        "This helper is based on v7.1-rc3 code.",
        "The new function is based on v7.1's memcpy.",
        "It is based on v7.1's memcpy_flushcache().",
        "This series is based on v2 of the other series.",
        "This series is not based on v7.1-rc3.",
        "v1 was based on v7.0.",
        "This series was based on v7.0 before.",
        "This series is no longer based on v7.1-rc3.",
        "Tested on top of v7.1-rc3.",
        "Measured against v7.1-rc3.",
        "The numbers are based on v7.1-rc3.",
        "The regression was introduced in v7.1-rc3.",
        "We saw this since v7.1-rc3 in mm-unstable.",
        "The next version will be based on mm-new.",
        "This series can be based on mm-new if you like.",
        "This series depends on patches in mm-unstable.",
        "This series is based on v7.1-rc3-15-g1a2b3c4.",
        "This series is based on v7.1-rc3~2.",
        "This series is based on mm-unstable-2026.",
        "This series is based on mm-hotfixes.",
        "This series is based on mainline.",
        "This series is based on 7.1.",
        "This series is based on feedback for v7.1-rc3.",
        "> This series is based on v7.1-rc3.",
        "On Monday, A wrote:\n> Based on v7.1-rc3.",
        "Changes since v1:\n- rebased on v7.1-rc3",
        "Changes in v2:\n\n - rebased on v7.1-rc3\n - based on mm-new",
        "v2: based on v7.1-rc3",
        "v1 -> v2: https://example.org\n  rebased on v7.1-rc3",
        "Changelog\n\n* Based on v7.1-rc3.",
        "-- \nBased on v7.1-rc3.",
        "diff --git a/x b/x\n+ This series is based on v7.1-rc3.",
        "based on mm",
        "based on",
        "Speed is based on v7.1-rc3.",
        "We compare it against v7.1-rc3.",
        "Against v7.1-rc3 this is twice as fast.",
        "On top of mm-unstable this is slower.",
        "Kernels like this are based on v7.1-rc3.",
        "Li's series is based on v7.1-rc3.",
        "The folio series is based on v7.1-rc3.",
        "This series is faster against v7.1-rc3.",
        "Another series, based on v7.1-rc3, has it.",
    ],
)
def test_what_may_be_about_something_else_is_left(said: str) -> None:
    assert named_bases(said, TREES) == ()


def test_a_paragraph_after_the_changelog_is_read() -> None:
    text = "Changes in v2:\n- rebased on v7.0\n\nThis series is based on v7.1-rc3.\n"
    assert named_bases(text, TREES) == (NamedBase("v7.1-rc3"),)


def test_two_bases_are_both_returned() -> None:
    text = "This series is based on v7.1-rc3.\n\nThis series applies to mm-new. Based on mm-new.\n"
    assert named_bases(text, TREES) == (NamedBase("v7.1-rc3"), NamedBase("mm-new"))


def test_prerequisites_are_counted() -> None:
    line = f"prerequisite-patch-id: {COMMIT}\n"
    assert prerequisites(f"base-commit: {COMMIT}\n{line}{line}") == 2
    assert prerequisites(f"> {line}") == 0


@given(st.text(alphabet="based on v7.1-rc3 is series\n.->mm-unstable", max_size=200))
def test_any_text_is_read(text: str) -> None:
    for found in named_bases(text, TREES):
        assert found.ref in ("mm-unstable", *TREES) or found.ref.startswith("v")
