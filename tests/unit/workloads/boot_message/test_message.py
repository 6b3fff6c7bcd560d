# SPDX-License-Identifier: GPL-2.0-only
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workloads.boot_message.message import MAX_LINE, UNITS, Message, Value

NODE = Message(r"node (?P<node>\d+) deferred pages initialised in (?P<value>\d+)ms", "ms")
LINE = "node 0 deferred pages initialised in 120ms"


@pytest.mark.parametrize(
    ("unit", "text", "ns", "step"),
    [
        ("s", "2", 2 * 10**9, 10**9),
        ("s", "0.125", 125 * 10**6, 10**6),
        ("ms", "1.5", 1_500_000, 100_000),
        ("us", "17", 17_000, 1000),
        ("ns", "17", 17, 1),
        ("ns", "1.5", 1, 1),
        ("count", "17", 17, 1),
        ("ms", "0", 0, 1_000_000),
    ],
)
def test_the_unit_makes_nanoseconds_or_a_count(unit: str, text: str, ns: int, step: int) -> None:
    message = Message(r"took (?P<value>\S+)", unit)  # type: ignore[arg-type]
    assert message.read(f"it took {text}") == Value(ns, step)


def test_other_groups_do_no_harm() -> None:
    assert NODE.read(LINE) == Value(120_000_000, 1_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "node 0 deferred pages initialised in ms",
        "deferred pages initialised in 120ms",
        f"{'x' * MAX_LINE} {LINE}",
        "x" * (1 << 20),
        "\0\udcff\n",
    ],
)
def test_another_line_has_none(text: str) -> None:
    assert NODE.read(text) is None


@pytest.mark.parametrize(
    "text", ["", "abc", "-5", "5ms", "1.", ".5", "1e9", "٣", "1" * 13, "1." + "1" * 10, "0x10"]
)
def test_what_is_no_number_is_said(text: str) -> None:
    found = Message("took (?P<value>.*)$", "ms").read(f"took {text}")
    assert found == f"{text!r} is not a number"


def test_a_count_is_whole() -> None:
    assert Message(r"(?P<value>[\d.]+) pages", "count").read("1.5 pages") == (
        "'1.5' is not a number"
    )


def test_a_group_that_did_not_take_part_is_no_number() -> None:
    assert Message(r"took (?P<value>\d+)|gave up", "ms").read("gave up") == "'' is not a number"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "pattern: no group (?P<value>…); expected one around the figure"),
        (r"took \d+", "pattern: no group (?P<value>…); expected one around the figure"),
        (r"took (?P<Value>\d+)", "pattern: no group (?P<value>…); expected one around the figure"),
        ("(?P<value>a", "pattern: missing ), unterminated"),
        ("(?P<value>[a)", "pattern: unterminated character set"),
        ("(?P<value>a)(?P<value>b)", "pattern: redefinition of group name 'value'"),
        ("(?P<value>a){99999999999}", "pattern: the repetition number is too large; expected a"),
        ("(" * 200 + "(?P<value>a)", "pattern: "),
        ("(?P<value>a)" + "b" * 300, "pattern: 312 characters; expected 300 printable ones at m"),
        ("(?P<value>a)\n", "pattern: 13 characters; expected 300 printable ones at most"),
        # These search for hours in a line that almost matches.
        ("(?P<value>(?:a+)+)b", "pattern: repeats a group; expected repeated characters"),
        ("(?P<value>(a|a)*)b", "pattern: repeats a group; expected repeated characters"),
        ("(?P<value>(?:a|a){2,})b", "pattern: repeats a group; expected repeated characters"),
        ("(?P<value>.*).*.*.*b", "pattern: too many `*` and `+`; expected 3 at most"),
        ("(?P<value>a{1,}b{1,}c+d*)", "pattern: too many `*` and `+`; expected 3 at most"),
    ],
)
def test_a_pattern_without_a_figure_or_an_end_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        Message(pattern, "ms")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "pattern", [r"\)+(?P<value>\d+)", r"[()*+]+(?P<value>\d+)", r"(?P<value>\d+)?", NODE.pattern]
)
def test_escaped_and_optional_groups_are_no_repeated_ones(pattern: str) -> None:
    assert Message(pattern, "ms").pattern == pattern


@given(st.text(max_size=400), st.sampled_from([*UNITS]))
def test_any_line_gives_a_figure_or_one_line_or_nothing(text: str, unit: str) -> None:
    found = Message(r"(?P<value>\S+) (?P<more>.*)ms", unit).read(text)  # type: ignore[arg-type]
    assert isinstance(found, Value | None) or ("\n" not in found and len(found) < 300)


@given(st.integers(0, 10**12 - 1), st.sampled_from([*UNITS]), st.text("xyz ", max_size=40))
def test_a_printed_figure_is_read_back(figure: int, unit: str, around: str) -> None:
    message = Message(r"\btook (?P<value>\d+)\b", unit)  # type: ignore[arg-type]
    assert message.read(f"{around} took {figure} {around}") == Value(
        figure * UNITS[unit], UNITS[unit]
    )
