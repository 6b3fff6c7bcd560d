# SPDX-License-Identifier: GPL-2.0-only
"""Where the time of a command goes, and how much is left."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.progress import Story, story
from harness.cli.timeline import GUESSES_S, Timeline
from harness.events import Advanced, Began, Note, Planned
from harness.host import durations, units
from harness.host.cache import Cache
from harness.jobs.graph import Done

STEPS = ("replay", "build base", "build tip", "measure")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def timeline(known: dict[str, float] | None = None) -> tuple[Timeline, Clock]:
    clock = Clock()
    times = Timeline(known or {}, clock)
    times.saw("", Planned(STEPS))
    return times, clock


def test_no_estimate_before_the_steps_are_known() -> None:
    assert Timeline({"replay": 5}, Clock()).left_s() is None


def test_earlier_runs_say_how_much_is_left() -> None:
    times, clock = timeline({"replay": 40, "build base": 300, "build tip": 60, "measure": 100})
    assert times.left_s() == 500
    times.saw("replay", Began("compile"))
    clock.now = 30
    assert times.left_s() == 470
    clock.now = 45  # longer than last time
    assert times.left_s() == 460
    times.ended("replay")
    times.ended("build base")  # cached
    assert times.left_s() == 160


def test_the_first_run_guesses_and_then_counts() -> None:
    times, clock = timeline()
    assert times.left_s() == GUESSES_S["replay"] + 2 * GUESSES_S["build"] + GUESSES_S["measure"]
    for step in STEPS[:2]:
        times.ended(step)
    times.saw("build tip", Began("build tip"))
    times.saw("build tip", Advanced(10, 100))
    clock.now = 20
    assert times.left_s() == 180 + GUESSES_S["measure"]


def test_boots_are_counted_and_so_are_their_bindings() -> None:
    times, clock = timeline({"measure": 1000})
    for step in STEPS[:3]:
        times.ended(step)
    times.saw("measure", Began("boot 2 of 4, tip", 2, 4))
    clock.now = 30
    assert times.left_s() == pytest.approx(90)
    times.saw("measure", Advanced(6, 12))
    assert times.left_s() == pytest.approx(50)


def test_a_part_of_a_replay_does_not_count_as_the_whole() -> None:
    times, clock = timeline({"replay": 100, "measure": 10})
    times.ended("build base")
    times.ended("build tip")
    times.saw("replay", Began("compare"))
    clock.now = 10
    times.saw("replay", Advanced(9, 10))
    assert times.left_s() == 100


def test_the_time_is_spent_on_parts_in_their_order() -> None:
    times, clock = timeline()
    for step, seconds in (("fetch", 1), ("apply", 1), ("replay", 38), ("build base", 350)):
        times.saw(step, Began(step))
        clock.now += seconds
        times.ended(step)
    times.saw("build tip", Began("build tip"))
    clock.now += 20
    assert times.spent_s == {"tree": 2, "replay": 38, "kernels": 370}
    # A step that did nothing was cached: its time does not predict the next run.
    times.ended("measure")
    assert times.took_s == {"fetch": 1, "apply": 1, "replay": 38, "build base": 350}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(STEPS),
            st.sampled_from(["begin", "advance", "note", "end"]),
            st.integers(0, 20),
            st.integers(0, 20),
            st.floats(0, 1000),
        )
    )
)
def test_no_order_of_events_gives_less_than_nothing(
    events: list[tuple[str, str, int, int, float]],
) -> None:
    times, clock = timeline({"measure": 50})
    for step, what, done, total, seconds in events:
        clock.now += seconds
        match what:
            case "begin":
                times.saw(step, Began(step, 1 + done % 3, 3))
            case "advance":
                times.saw(step, Advanced(done, total))
            case "note":
                times.saw(step, Note("x"))
            case _:
                times.ended(step)
        left = times.left_s()
        assert left is not None and left >= 0
    assert sum(times.spent_s.values()) <= clock.now + 1e-6
    assert all(seconds >= 0 for seconds in times.took_s.values())


def test_durations_are_stored_for_the_next_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = Cache(tmp_path / "cache")
    with story(cache, "reproduce quick", named=False) as progress:
        progress("fetch", Began("fetch v7.2"))
        progress("fetch", Done(None))
        with progress.paused():
            pass
    assert set(durations.load(cache, "reproduce quick")) == {"fetch"}
    assert durations.load(cache, "reproduce") == {}
    assert capsys.readouterr().err == "fetch v7.2\n"


def test_the_last_line_says_where_the_time_went() -> None:
    times, clock = timeline()
    telling = Story(None, times, named=False)  # type: ignore[arg-type]
    assert telling.summary() == "took 0 s"
    for step, seconds in (("fetch", 2), ("replay", 38), ("build tip", 370), ("measure", 240.4)):
        times.saw(step, Began(step))
        clock.now += seconds
    assert telling.summary() == (
        "took 10 min 50 s: tree 2 s, replay 38 s, kernels 6 min 10 s, boots 4 min"
    )


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"x": 1}', b'{"reproduce": {"a": "b"}}'])
def test_a_damaged_file_of_durations_is_replaced(tmp_path: Path, damage: bytes) -> None:
    cache = Cache(tmp_path)
    (tmp_path / durations.FILE).write_bytes(damage)
    assert durations.load(cache, "reproduce") == {}
    durations.save(cache, "reproduce", {"fetch": 1.26})
    assert durations.load(cache, "reproduce") == {"fetch": 1.3}


def test_a_cache_that_cannot_be_written_costs_only_the_estimate(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    durations.save(Cache(tmp_path / "cache"), "reproduce", {"fetch": 1.0})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (370, "6 min 10 s"),
        (3599.9, "1 h"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_duration_for_people(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text
