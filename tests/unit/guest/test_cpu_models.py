# SPDX-License-Identifier: GPL-2.0-only
"""The models to try, from what QEMU says of each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest.qemu.cpu_models import SAFE_HOST, CpuModel, candidates

ASKED = "Icelake-Server"
NO_TSX = "Icelake-Server-noTSX"
FEATURES = st.lists(st.sampled_from(["hle", "rtm", "gfni", "xsave", "erms"]), max_size=6)


def options(asked: str, missing: dict[str, tuple[str, ...]] | None) -> list[str]:
    return [model.option for model in candidates(asked, missing)]


@pytest.mark.parametrize(
    ("asked", "missing", "expected"),
    [
        (ASKED, {ASKED: (), NO_TSX: ()}, [ASKED, NO_TSX, "host", SAFE_HOST]),
        (ASKED, {ASKED: ("hle",), NO_TSX: ()}, [NO_TSX, "host", SAFE_HOST]),
        (ASKED, {ASKED: ("gfni",), NO_TSX: ("gfni",)}, ["host", SAFE_HOST]),
        # An older QEMU, and one that says nothing.
        (ASKED, {"EPYC": ()}, ["host", SAFE_HOST]),
        (ASKED, None, [ASKED, "host", SAFE_HOST]),
        ("EPYC", {"EPYC": ()}, ["EPYC", "host", SAFE_HOST]),
        ("host", {}, ["host", SAFE_HOST]),
        ("host,pmu=off", None, ["host,pmu=off", "host", SAFE_HOST]),
        ("max", {}, ["max", "host", SAFE_HOST]),
    ],
)
def test_the_order(
    asked: str, missing: dict[str, tuple[str, ...]] | None, expected: list[str]
) -> None:
    assert options(asked, missing) == expected


@given(FEATURES, FEATURES)
def test_no_named_model_promises_what_the_host_lacks(one: list[str], other: list[str]) -> None:
    missing = {ASKED: tuple(one), NO_TSX: tuple(other)}
    for model in candidates(ASKED, missing):
        assert not missing.get(model.option)
        assert len(set(model.lacks)) == len(model.lacks)
        if model.option != ASKED:
            assert set(one) <= set(model.lacks), "what is missing is named"


def test_what_a_model_lacks_in_words() -> None:
    assert CpuModel("host", ("hle", "rtm")).without(ASKED) == f"it lacks hle, rtm of {ASKED}"
    assert "does not name" in CpuModel("host").without(ASKED)
