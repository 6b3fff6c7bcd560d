# SPDX-License-Identifier: GPL-2.0-only
"""Placements of a program: the links, and which of them runs in which round."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.replay_options import ROUNDS as DEFAULT_ROUNDS
from harness.cli.replay_options import schedule_of
from harness.host.digest import value_digest
from harness.replay.program.link import CODE, PLACEMENTS, Program, executable, layout
from harness.replay.timing.schedule import Schedule, placements
from harness.workloads.zone_device.replay import REPLAY

SEEDS, ROUNDS = st.integers(0, 1 << 40), st.integers(1, 60)


def schedule(seed: int, rounds: int) -> Schedule:
    return Schedule(4 << 30, rounds=rounds, passes=1, seed=seed)


@given(SEEDS, ROUNDS)
def test_each_round_has_a_link_and_none_runs_twice_before_all_have(seed: int, rounds: int) -> None:
    found = placements(schedule(seed, rounds), "base")
    assert len(found) == rounds
    assert set(found) <= set(range(PLACEMENTS))
    counts = Counter(found)
    assert max(counts.values()) - min(counts[n] for n in range(PLACEMENTS)) <= 1


@given(SEEDS, ROUNDS)
def test_placements_depend_only_on_seed_and_build(seed: int, rounds: int) -> None:
    more = placements(schedule(seed, rounds + 7), "7")
    assert placements(schedule(seed, rounds), "7") == more[:rounds]


def test_seed_and_build_decide_the_order() -> None:
    orders = {placements(schedule(seed, 8), build) for seed in range(3) for build in "123"}
    assert len(orders) == 9


def test_known_links_of_a_seed() -> None:
    """A record names links by number: the numbers must mean the same in every version."""
    assert placements(schedule(1, 8), "base") == (3, 5, 6, 1, 2, 4, 7, 0)


def test_the_digest_of_the_default_schedule_is_that_of_older_versions() -> None:
    """A schedule names no kinds until it is that of a function; its digest has them."""
    default = schedule_of("100G", DEFAULT_ROUNDS)
    assert default.kinds == ()
    older = "782a4fef5ce242d55bbc445d6a937ca010b035d957fb3e278fee63b3e4fae5b5"
    assert value_digest(default.of(REPLAY)) == older
    one = msgspec.structs.replace(default, kinds=("order9",))
    assert one.of(REPLAY) == one


def test_every_layout_has_all_code_once_and_differs() -> None:
    found = [layout(placement) for placement in range(1, PLACEMENTS)]
    assert len(set(found)) == len(found)
    for text in found:
        assert all(text.count(f"({name})") == 1 for name in CODE)


def test_a_placed_program_is_another_file_of_the_same_folder() -> None:
    program = Program("/cache", ("a",), compiler="gcc 12")
    files = {program.placed(n).path.name for n in range(PLACEMENTS)}
    assert files == {executable(n) for n in range(PLACEMENTS)}
    assert program.placed(0) == program
    assert program.placed(3).placed(0) == program
