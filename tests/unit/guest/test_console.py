# SPDX-License-Identifier: GPL-2.0-only
"""Steps from kernel logs: correct, or a problem."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import workloads
from harness.guest.console import console
from harness.guest.console.console import Marker
from harness.workloads.figures import Cut, Figure, Step, Steps
from harness.workloads.workload import Expected

DATA = Path(__file__).parents[2] / "data" / "console"
DRIVERS = ("nd_pmem", "dax_pmem")
PAGES = 1_031_680
MS = 1_000_000
WORKLOAD = workloads.find("zone_device")
FUNCTION = WORKLOAD.function


def read_line(line: str) -> object:
    return console.read_line(line, WORKLOAD.read)


def steps(text: str, asked: dict[str, int], lowest: dict[str, int] = {}) -> Steps:  # noqa: B006
    expected = {name: Expected(n, lowest=lowest.get(name, 0)) for name, n in asked.items()}
    return console.steps(text, expected, WORKLOAD.read)


def begin(driver: str, index: int) -> str:
    return f"[    1.000000] memmap-harness: <begin {driver} {index}>"


def report(ms: int, pages: int = PAGES) -> str:
    return f"[    1.050000] {FUNCTION} initialised {pages} pages in {ms}ms"


def end(driver: str, index: int) -> str:
    return f"[    1.060000] memmap-harness: <end {driver} {index}>"


def binding(driver: str, index: int, ms: int) -> list[str]:
    return [begin(driver, index), report(ms), end(driver, index)]


def truth(rebinds: int) -> dict[tuple[str, int], int]:
    """Return a different duration for every binding."""
    keys = [(d, i) for i in range(rebinds + 1) for d in DRIVERS]
    return {key: 40 + n for n, key in enumerate(keys)}


def healthy(rebinds: int, noise: str = "[    0.1] usb 1-1: new device") -> list[str]:
    lines = [noise]
    for (driver, index), ms in truth(rebinds).items():
        lines += [*binding(driver, index, ms), noise]
    return lines


def asked(rebinds: int) -> dict[str, int]:
    return dict.fromkeys(DRIVERS, rebinds + 1)


def kinds(lines: list[str], wanted: dict[str, int] | None = None) -> list[tuple[str, str, int]]:
    read = steps("\n".join(lines), wanted or {"nd_pmem": 2})
    return [(p.kind, p.metric, p.index) for p in read.problems]


def test_a_complete_log_has_every_binding_and_no_problem() -> None:
    read = steps("\n".join(healthy(3)), asked(3))
    assert read.problems == ()
    assert {(b.metric, b.index): b.ns // MS for b in read.found} == truth(3)
    assert {b.nr_pages for b in read.found} == {PAGES}
    assert [b.index for b in read.of("dax_pmem")] == [0, 1, 2, 3]


def test_the_line_number_is_the_reports() -> None:
    read = steps("\n".join(["x", *binding("nd_pmem", 0, 57)]), {"nd_pmem": 1})
    assert read.found == (Step("nd_pmem", 0, PAGES, 57 * MS, 3),)


@pytest.mark.parametrize(
    "line",
    [
        f"{FUNCTION} initialised 5 pages in 7ms",
        f"[   12.345678] {FUNCTION} initialised 5 pages in 7ms\r",
        f"[   12.345678][    T1] {FUNCTION} initialised 5 pages in 7ms",
        f"<7>[   12.345678] {FUNCTION} initialised 5 pages in 7ms",
        f"\x1b[1;32m[   12.345678]\x1b[0m {FUNCTION} initialised 5 pages in 7ms",
        f"[   12.345678] mm_init:{FUNCTION}:1147: {FUNCTION} initialised 5 pages in 7ms",
        f"login: [   12.345678] {FUNCTION} initialised 5 pages in 7ms",
    ],
)
def test_a_report_is_read_with_any_prefix_of_the_console(line: str) -> None:
    assert read_line(line) == Figure(7 * MS, 5)


@pytest.mark.parametrize(
    "line",
    [
        f"[    1.1] {FUNCTION} initialised 103168",
        f"[    1.1] {FUNCTION} initialised 1031680 pages in 5",
        f"[    1.1] {FUNCTION} initialised 1031680 pages in 57m",
        f"[    1.1] {FUNCTION} initialised 1031680 pages in ms",
        f"[    1.1] {FUNCTION} initialised -5 pages in 57ms",
        f"[    1.1] {FUNCTION} initialised 1031680 pages in 57ms2",
        f"[    1.1] {FUNCTION} initialised 1031680 pages in 5.7ms",
        f"[    1.1] {FUNCTION} initialised 10316[    1.2] usb 1-1: new device",
        "[    1.1] memmap-harness: <begin nd_pmem 1",
        "[    1.1] memmap-harness: <end nd_pm",
        "[    1.1] memmap-harness: <begin",
    ],
)
def test_a_cut_line_is_not_a_report(line: str) -> None:
    assert read_line(line) == Cut()


@pytest.mark.parametrize(
    "line",
    [
        "",
        '[    0.0] Command line: "dyndbg=func memmap_init_zone_device +p"',
        "[    1.1]  memmap_init_zone_device+0x1f/0x130",
        "[    1.1] memmap-harness: <finished>",
        "[    0.1] node 0 deferred pages initialised in 12ms",
    ],
)
def test_other_lines_are_ignored(line: str) -> None:
    assert read_line(line) is None


def test_markers() -> None:
    assert read_line(begin("dax_pmem", 12)) == Marker("begin", "dax_pmem", 12)
    assert read_line(end("nd_pmem", 0)) == Marker("end", "nd_pmem", 0)


FIRST, SECOND = binding("nd_pmem", 0, 50), binding("nd_pmem", 1, 40)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], [("missing", "nd_pmem", 0), ("missing", "nd_pmem", 1)]),
        (FIRST, [("missing", "nd_pmem", 1)]),
        ([*FIRST, SECOND[0], SECOND[2]], [("missing", "nd_pmem", 1)]),
        ([*FIRST, *SECOND[:2]], [("no end", "nd_pmem", 1)]),
        ([*FIRST, *SECOND[1:]], [
            ("figure outside any step", "", -1),
            ("ended without beginning", "nd_pmem", 1),
        ]),
        ([*FIRST, SECOND[0], report(40), report(41), SECOND[2]], [
            ("reported twice", "nd_pmem", 1),
        ]),
        ([*FIRST, report(3), *SECOND], [("figure outside any step", "", -1)]),
        ([*FIRST, *SECOND, *SECOND], [
            ("begun twice", "nd_pmem", 1),
            ("reported twice", "nd_pmem", 1),
        ]),
        ([*SECOND, *FIRST], [
            ("out of order", "nd_pmem", 1),
            ("out of order", "nd_pmem", 0),
        ]),
        ([*FIRST, *SECOND, *binding("nd_pmem", 2, 9)], [("not asked for", "nd_pmem", 2)]),
        ([*FIRST, *SECOND, *binding("e1000", 0, 9)], [("not asked for", "e1000", 0)]),
        ([*FIRST, SECOND[0], report(40)[:-2], SECOND[2]], [("line cut", "nd_pmem", 1)]),
        ([*FIRST, *SECOND, "memmap-harness: <"], [("line cut", "", -1)]),
        ([*FIRST, *SECOND, "memmap-harness: <begin nd"], [("line cut", "", -1)]),
    ],
)  # fmt: skip
def test_every_flaw_is_named(lines: list[str], expected: list[tuple[str, str, int]]) -> None:
    assert kinds(lines) == expected


def test_a_flaw_affects_its_binding_only() -> None:
    read = steps("\n".join([*FIRST, SECOND[0], SECOND[2]]), {"nd_pmem": 2})
    assert [(b.index, b.ns) for b in read.found] == [(0, 50 * MS)]


def only_true(lines: list[str], rebinds: int) -> None:
    """Check that each binding is correct or has a problem."""
    read = steps("\n".join(lines), asked(rebinds))
    happened = truth(rebinds)
    for found in read.found:
        assert (found.ns, found.nr_pages) == (happened[found.metric, found.index] * MS, PAGES)
    assert len(read.found) == len({(b.metric, b.index) for b in read.found})
    assert bool(read.problems) or len(read.found) == len(happened)


def chosen(data: st.DataObject, count: int) -> Iterator[int]:
    yield from data.draw(st.lists(st.integers(0, count - 1), max_size=8))


@given(st.data(), st.integers(0, 4))
def test_lost_lines_never_make_a_wrong_binding(data: st.DataObject, rebinds: int) -> None:
    lines = healthy(rebinds)
    gone = set(chosen(data, len(lines)))
    only_true([line for n, line in enumerate(lines) if n not in gone], rebinds)


@given(st.data(), st.integers(0, 4))
def test_repeated_lines_never_make_a_wrong_binding(data: st.DataObject, rebinds: int) -> None:
    lines = healthy(rebinds)
    for at in chosen(data, len(lines)):
        lines.insert(at, lines[at])
    only_true(lines, rebinds)


@given(st.data(), st.integers(0, 4))
def test_a_log_cut_anywhere_never_makes_a_wrong_binding(data: st.DataObject, rebinds: int) -> None:
    text = "\n".join(healthy(rebinds))
    only_true(text[: data.draw(st.integers(0, len(text)))].split("\n"), rebinds)


@given(st.data(), st.text(max_size=30))
def test_unrelated_lines_between_change_nothing(data: st.DataObject, noise: str) -> None:
    lines = healthy(2)
    if read_line(noise) is None:
        for at in chosen(data, len(lines)):
            lines.insert(at, noise.replace("\n", " "))
    assert steps("\n".join(lines), asked(2)).problems == ()


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert len(steps(text, asked(1)).found) == 0


def test_a_namespace_that_was_there_begins_with_rebind_1() -> None:
    lines = [*binding("nd_pmem", 1, 40), *binding("nd_pmem", 2, 41)]
    found = steps("\n".join(lines), {"nd_pmem": 2}, {"nd_pmem": 1})
    assert [b.index for b in found.found] == [1, 2]
    assert found.problems == ()
    found = steps("\n".join(lines[3:]), {"nd_pmem": 2}, {"nd_pmem": 1})
    assert next((p.kind, p.index) for p in found.problems) == ("out of order", 2)


def deferred(message: str) -> Figure | Cut | None:
    """Read a message that states a figure by itself, as one that the kernel prints at boot."""
    name, _, ms = message.partition(" took ")
    return Figure(int(ms[:-2]) * MS, metric=name) if ms.endswith("ms") else None


def named(*lines: str, **asked: int) -> Steps:
    expected = {name: Expected(number) for name, number in asked.items()}
    return console.steps("\n".join(lines), expected, deferred)


def test_a_figure_that_names_its_metric_needs_no_markers() -> None:
    found = named("[ 0.1] hugetlb took 7ms", "[ 0.2] x", "[ 0.3] hugetlb took 9ms", hugetlb=2)
    assert found.found == (Step("hugetlb", 0, 0, 7 * MS, 1), Step("hugetlb", 1, 0, 9 * MS, 3))
    assert (found.problems, found.early) == ((), ())
    after = named("[ 1.0] memmap-harness: <started>", "[ 2.0] hugetlb took 7ms", hugetlb=1)
    assert (len(after.found), after.problems) == (1, ())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], [("missing", "hugetlb", 0)]),
        (["hugetlb took 7ms", "hugetlb took 9ms"], [("not asked for", "hugetlb", 1)]),
        (["hugetlb took 7ms", "vmalloc took 9ms"], [("not asked for", "vmalloc", 0)]),
    ],
)
def test_flaws_of_figures_that_name_their_metric(
    lines: list[str], expected: list[tuple[str, str, int]]
) -> None:
    found = named(*lines, hugetlb=1)
    assert [(p.kind, p.metric, p.index) for p in found.problems] == expected


def test_steps_are_counted_with_the_first_flaw() -> None:
    check = steps("\n".join(FIRST), {"nd_pmem": 2}).count("nd_pmem", 2, "binding")
    assert (check.name, check.ok) == ("nd_pmem bindings", False)
    assert check.detail == "1 of 2; binding 1: missing (line 3)"
    assert steps("\n".join(FIRST), {"nd_pmem": 1}).count("nd_pmem", 1, "binding").ok
