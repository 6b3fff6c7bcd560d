# SPDX-License-Identifier: GPL-2.0-only
"""Checks of boots that initialize pages before user space, or trace every page."""

import msgspec
import pytest

from harness import workloads
from harness.errors import InputError
from harness.guest.console import agent_log, console
from harness.measure import checks
from harness.measure.asked import asked
from harness.project.guest import Guest
from harness.project.plan import Plan
from harness.project.project import Project
from harness.workloads.zone_device.checks import early_nr_pages
from harness.workloads.zone_device.namespaces import Namespace
from tests.unit.builders import kernel
from tests.unit.guest.test_agent_log import BODY, raw

PROJECT = Project.find()
WORKLOAD = workloads.find("zone_device")


def log(*booted: int, after: int | None = None) -> str:
    def line(pages: int) -> str:
        return f"[    0.9] memmap_init_zone_device initialised {pages} pages in 2ms"

    lines = [line(pages) for pages in booted]
    lines += ["[    1.0] memmap-harness: <started>"]
    lines += [line(after)] if after is not None else []
    return "\n".join(lines)


def test_reports_before_user_space_are_not_stray() -> None:
    found = console.steps(log(131_072, 65_536), {}, WORKLOAD.read)
    assert [figure.nr_pages for figure in found.early] == [131_072, 65_536]
    assert found.problems == ()
    late = console.steps(log(after=65_536), {}, WORKLOAD.read)
    assert [p.kind for p in late.problems] == ["figure outside any step"]


def by_name(made: Guest, plan: Plan, said: bytes, kernel_log: str) -> dict[str, checks.Check]:
    wanted = asked(made, plan)
    steps = console.steps(kernel_log, WORKLOAD.expected(wanted), WORKLOAD.read)
    report = agent_log.parse(said, WORKLOAD.line_types)
    found = checks.checks(WORKLOAD, wanted, kernel(), "", report, steps)
    return {check.name: check for check in found}


PLAN = Plan(description="", guest="g", rebinds=1, kconfig=("x",))


@pytest.mark.parametrize(
    ("booted", "ok"), [((65_536, 65_536), True), ((65_536,), False), ((65_536, 65_535), False)]
)
def test_pages_before_user_space_must_be_those_expected(booted: tuple[int, ...], ok: bool) -> None:
    found = by_name(PROJECT.guest("hmm"), PLAN, raw(*BODY), log(*booted))
    assert found["pages before user space"].ok is ok
    assert found["no stray report"].ok


def test_no_page_is_initialized_before_user_space_unless_it_is_expected() -> None:
    found = by_name(PROJECT.guest("pmem-4g"), PLAN, raw(*BODY), log(65_536))
    check = found["pages before user space"]
    assert (check.ok, check.detail) == (False, "65536 printed, none expected")
    assert "pages before user space" not in by_name(
        PROJECT.guest("pmem-4g"), PLAN, raw(*BODY), log()
    )


def test_a_guest_without_anything_to_bind_is_refused() -> None:
    for name in ("", "empty"):
        nothing = Guest(description="", memory="1G", namespaces=(), name=name)
        with pytest.raises(InputError, match=f"^guest {name}: has no namespaces to bind; expected"):
            WORKLOAD.expected(asked(nothing, PLAN))
    assert WORKLOAD.expected(asked(PROJECT.guest("hmm"), PLAN)) == {}


def test_pages_of_persistent_ram_are_initialized_once_before_user_space() -> None:
    assert early_nr_pages(asked(PROJECT.guest("hmm"), PLAN)) == (65_536, 65_536)
    assert early_nr_pages(asked(PROJECT.guest("pmem-legacy"), PLAN)) == (131_072, 131_072)
    assert early_nr_pages(asked(PROJECT.guest("pmem-4g"), PLAN)) == ()
    # On a server the namespaces are on ranges of RAM, wherever the guest has them.
    assert early_nr_pages(asked(PROJECT.guest("pmem-4g"), PLAN, [1 << 32])) == (1 << 20,)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("pr_debug", {"is": "site", "text": f"mm/a.c:1 [a]{WORKLOAD.function} =p %s"}),
        ("page_ref_set", {"is": "tracepoint", "state": "0"}),
    ],
)
def test_a_line_about_the_kernel_that_is_there_twice_counts_as_none(
    name: str, line: dict[str, object]
) -> None:
    guest = PROJECT.guest("pmem-4g")
    assert by_name(guest, PLAN, raw(BODY[0], line), log())[name].ok
    assert not by_name(guest, PLAN, raw(BODY[0], line, line), log())[name].ok
    assert not by_name(guest, PLAN, raw(BODY[0]), log())[name].ok


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pmem-4g", "3 namespace0.0:nd_pmem:fsdax:dev:2097152:4294967296 namespace1.0:dax_pmem:"),
        ("ramdax", "-s ramdax 3 region0:"),
        ("cxl", "-s cxl 3 region0:"),
        ("pmem-legacy", "3 namespace0.0:"),
        ("hmm", "3"),
    ],
)  # fmt: skip
def test_arguments_of_the_agent(name: str, expected: str) -> None:
    plan = msgspec.structs.replace(PLAN, rebinds=3)
    wanted = asked(PROJECT.guest(name), plan)
    assert " ".join(WORKLOAD.agent_arguments(wanted)).startswith(expected)
    traced = asked(PROJECT.guest(name), msgspec.structs.replace(plan, page_ref=True), probed=True)
    assert WORKLOAD.agent_arguments(traced) == ("-c", "-t", *WORKLOAD.agent_arguments(wanted))


TRACED = msgspec.structs.replace(PLAN, page_ref=True)
PAGES = Namespace(mode="fsdax", size="1G").counted_nr_pages


def events(*counts: int) -> bytes:
    lines = [
        {"is": "events", "driver": "nd_pmem", "index": n, "count": count}
        for n, count in enumerate(counts)
    ]
    body = [*BODY[:2], {"is": "tracepoint", "state": "1"}, *BODY[3:], *lines]
    return raw(*body)


@pytest.mark.parametrize(
    ("counts", "ok"),
    [
        ((PAGES, PAGES), True),
        ((PAGES, PAGES - 1), False),
        ((PAGES, 2 * PAGES), False),
        ((PAGES,), False),
        ((), False),
        ((0, 0), False),
    ],
)
def test_every_page_of_every_binding_must_have_an_event(counts: tuple[int, ...], ok: bool) -> None:
    made = Guest(description="", memory="1G", namespaces=(Namespace(mode="fsdax", size="1G"),))
    found = by_name(made, TRACED, events(*counts), "")
    assert found["nd_pmem events"].ok is ok
    assert found["page_ref_set"].ok
    # A trace that the plan did not ask for invalidates the boot.
    untraced = by_name(made, PLAN, events(*counts), "")
    assert not untraced["page_ref_set"].ok
    assert "nd_pmem events" not in untraced
