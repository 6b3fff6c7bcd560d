# SPDX-License-Identifier: GPL-2.0-only
import pytest

from tests.unit.builders import build, record


@pytest.mark.parametrize(
    ("name", "prefix", "kind", "is_numbered"),
    [
        ("base", 0, "base", False),
        ("again", 0, "again", False),
        ("tip", 9, "prefix", False),
        ("tip", 0, "prefix", False),
        ("3", 3, "prefix", True),
        ("0", 0, "variant", False),
        ("3", 4, "variant", False),
        ("٣", 3, "variant", False),
        ("rep-movsb", 9, "variant", False),
    ],
)
def test_what_a_build_is(name: str, prefix: int, kind: str, is_numbered: bool) -> None:
    made = build(name, prefix)
    assert (made.kind, made.is_numbered) == (kind, is_numbered)


def test_a_build_is_found_by_its_name() -> None:
    made = record()
    assert made.build("tip") is made.builds[1]
    assert made.build("limit") is None
