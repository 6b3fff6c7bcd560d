# SPDX-License-Identifier: GPL-2.0-only
"""Deadlines of boots, and the speed that they follow."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest.waits import KERNEL_S, USER_S, BootTimes, Waits
from harness.host import speed

FACTORS = st.floats(1, 50)
SECONDS = st.none() | st.floats(0, 600)


def test_an_idle_machine_has_the_common_deadlines() -> None:
    assert Waits().kernel_s("kvm") == KERNEL_S["kvm"]
    assert Waits().user_s("tcg") == USER_S["tcg"]
    assert Waits().whole_s(180) == 180


def test_a_proof_that_took_long_lengthens_them() -> None:
    slow = Waits(shown=BootTimes(kernel_s=20.0, user_s=1.0))
    assert slow.kernel_s("kvm") == 200
    assert slow.user_s("kvm") == USER_S["kvm"]


@given(FACTORS, st.floats(1, 100), SECONDS, SECONDS, st.sampled_from(["kvm", "tcg"]))
def test_nothing_known_of_the_machine_shortens_a_deadline(
    factor: float,
    patience: float,
    kernel_s: float | None,
    user_s: float | None,
    accelerator: Literal["kvm", "tcg"],
) -> None:
    waits = Waits(factor, patience, BootTimes(kernel_s, user_s))
    assert waits.kernel_s(accelerator) >= max(KERNEL_S[accelerator], kernel_s or 0) * patience
    assert waits.user_s(accelerator) >= max(USER_S[accelerator], user_s or 0) * patience
    assert waits.whole_s(60) >= 60 * patience


def test_the_message_names_the_time_the_option_and_the_reason() -> None:
    usual = "not over within 180 s (--patience 2 waits twice as long)"
    assert Waits().explained("not over", 180) == usual
    slow = Waits(factor=4.0, patience=3.0).explained("not over", 9)
    longer = "--patience 6 waits twice as long; the machine is slow: 4.0 times"
    assert slow == f"not over within 9 s ({longer})"


def test_this_machine_has_a_speed() -> None:
    assert 1 <= speed.slowness() <= speed.MOST


@pytest.mark.parametrize(
    ("seconds", "load", "expected"),
    [(0.001, 0.0, 1), (0.020, 0.0, 4), (0.020, 16.0, 8), (0.001, 4.0, 2), (9.0, 9.0, speed.MOST)],
)
def test_slowness_is_that_of_a_fixed_amount_of_work_or_the_load(
    monkeypatch: pytest.MonkeyPatch, seconds: float, load: float, expected: float
) -> None:
    clock = iter((0.0, seconds * speed._REPEATS))
    monkeypatch.setattr(speed.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(speed.os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(speed.os, "sched_getaffinity", lambda _pid: {0, 1})
    assert speed.slowness() == pytest.approx(expected)
