# SPDX-License-Identifier: GPL-2.0-only
"""Checks of boots that initialize pages before user space, or trace every page."""

import msgspec
import pytest

from harness.guest.console import agent_log, console
from harness.measure import checks
from harness.project.guest import Guest, Namespace
from harness.project.plan import Plan
from harness.project.project import Project
from tests.unit.builders import kernel
from tests.unit.guest.test_agent_log import BODY, raw

PROJECT = Project.find()


def log(*booted: int, after: int | None = None) -> str:
    def line(pages: int) -> str:
        return f"[    0.9] memmap_init_zone_device initialised {pages} pages in 2ms"

    lines = [line(pages) for pages in booted]
    lines += ["[    1.0] memmap-harness: <started>"]
    lines += [line(after)] if after is not None else []
    return "\n".join(lines)


def test_reports_before_user_space_are_not_stray() -> None:
    found = console.bindings(log(131_072, 65_536), {})
    assert found.booted == (131_072, 65_536)
    assert found.problems == ()
    late = console.bindings(log(after=65_536), {})
    assert [p.kind for p in late.problems] == ["report outside any binding"]


def by_name(made: Guest, plan: Plan, said: bytes, kernel_log: str) -> dict[str, checks.Check]:
    asked = {n.driver: plan.rebinds + 1 for n in made.namespaces}
    bindings = console.bindings(kernel_log, asked)
    found = checks.checks(kernel(), "", made, plan, agent_log.parse(said), bindings)
    return {check.name: check for check in found}


PLAN = Plan(description="", guest="g", rebinds=1, kconfig=("x",))


@pytest.mark.parametrize(
    ("booted", "ok"), [((65_536, 65_536), True), ((65_536,), False), ((65_536, 65_535), False)]
)
def test_pages_before_user_space_must_be_those_expected(booted: tuple[int, ...], ok: bool) -> None:
    found = by_name(PROJECT.guest("hmm"), PLAN, raw(*BODY), log(*booted))
    assert found["pages before user space"].ok is ok
    assert found["no stray report"].ok


def test_unexpected_pages_before_user_space_are_stray() -> None:
    found = by_name(PROJECT.guest("pmem-4g"), PLAN, raw(*BODY), log(65_536))
    assert not found["no stray report"].ok
    assert "pages before user space" not in found


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
