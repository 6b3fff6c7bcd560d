# SPDX-License-Identifier: GPL-2.0-only
import pytest

from harness.claims.figures import paired
from harness.claims.vocabulary import Placed


def pair(pattern: str, *, in_turn: bool = False) -> list[str] | None:
    """Pair a pattern whose labels are letters and whose items are dots."""
    labels = [Placed(at, c) for at, c in enumerate(pattern) if c != "."]
    return paired(labels, [at for at, c in enumerate(pattern) if c == "."], in_turn=in_turn)


@pytest.mark.parametrize(
    ("pattern", "labels"),
    [
        ("a.", "a"),
        (".a", "a"),
        ("a..", "aa"),
        ("a.a.", "aa"),
        ("..a.", "aaa"),
        ("a.b.", "ab"),
        (".a.b", "ab"),
        ("a..b.", "aab"),
        ("..a.b", "aab"),
        ("aa.b.", "ab"),
        (".aa.b", "ab"),
        ("a.b.a.", "aba"),
    ],
)
def test_clear_patterns(pattern: str, labels: str) -> None:
    assert pair(pattern) == list(labels)


@pytest.mark.parametrize(
    "pattern", ["ab.", ".ab", "ab..", "..ab", "a.b", ".a.b.", "a.b.a", ".", "ab", "a.ba.", ""]
)
def test_unclear_patterns(pattern: str) -> None:
    assert not pair(pattern)


def test_in_turn() -> None:
    assert pair("ab..", in_turn=True) == ["a", "b"]
    assert pair("..ab", in_turn=True) == ["a", "b"]
    assert pair("ab.", in_turn=True) is None
    assert pair("a.b.", in_turn=True) == ["a", "b"]
