# SPDX-License-Identifier: GPL-2.0-only
"""Which replay `harness replay ...` asks for. Nothing is compiled or run here."""

from typing import Any

import click
import pytest

from harness.cli import cli
from harness.errors import InputError
from harness.jobs import replay as job
from harness.project.project import Project
from harness.project.series import Series
from harness.replay.check import Checked
from harness.replay.object_checks import ObjectCheck
from harness.replay.prepare import ReplayRequest

JOBS = ("time_compilers", "check_prefixes", "count", "time_base_twice")
DEFAULT = "memcpy-streaming"
KEPT = Series(DEFAULT, "memmap_init_zone_device", "mm/mm_init.o", (), port_of=0)


class AskedError(Exception):
    def __init__(self, name: str, request: ReplayRequest) -> None:
        self.name, self.request = name, request


@pytest.fixture(autouse=True)
def _jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Project, "slugs", lambda _: [DEFAULT, "test", "check"])
    # Their files are not read.
    monkeypatch.setattr(Project, "series", lambda _, slug: KEPT)
    for name in JOBS:

        def asked(_p: object, _c: object, wanted: Any, *_: object, name: str = name) -> None:
            raise AskedError(name, wanted)

        monkeypatch.setattr(job, name, asked)


def run(*words: str) -> tuple[str, ReplayRequest]:
    with pytest.raises(AskedError) as caught:
        cli.main(["replay", *words], standalone_mode=False)
    return caught.value.name, caught.value.request


@pytest.mark.parametrize(
    ("words", "name", "slug"),
    [
        ("", "time_compilers", DEFAULT),
        ("test", "time_compilers", "test"),
        ("test --json", "time_compilers", "test"),
        ("--tree v7.3 test", "time_compilers", "test"),
        ("check", "check_prefixes", DEFAULT),
        ("check test", "check_prefixes", "test"),
        ("check --cases 5 test", "check_prefixes", "test"),
        # The first word is a command, the second is not.
        ("check check", "check_prefixes", "check"),
        ("count", "count", DEFAULT),
        ("count test", "count", "test"),
        ("null test", "time_base_twice", "test"),
        # For one more release.
        ("--check", "check_prefixes", DEFAULT),
        ("test --check --cases 5", "check_prefixes", "test"),
        ("--count test", "count", "test"),
        ("--null 7 test", "time_base_twice", "test"),
    ],
)
def test_a_subcommand_or_a_series_may_follow(words: str, name: str, slug: str) -> None:
    asked, request = run(*words.split())
    assert (asked, request.slug) == (name, slug)


def test_options_reach_the_request() -> None:
    _, request = run("test", "--prefix", "1", "--prefix", "3", "--turns", "2", "--seed", "9")
    assert request.prefixes == (1, 3)
    assert (request.schedule.slices, request.schedule.seed) == (2, 9)
    _, request = run("check", "--cases", "5", "--seed", "9", "--store", "movnti,memcpy")
    assert (request.cases, request.schedule.seed) == (5, 9)
    assert (request.prefixes, request.stores) == (None, ("movnti", "memcpy"))


def test_cases_may_be_named() -> None:
    named = ("generic,shift=9,start=0x100000,nr=1024", "coherent,shift=0,start=0x100000,nr=1")
    _, request = run("check", *(word for case in named for word in ("--case", case)))
    assert [case.argument for case in request.only] == list(named)


@pytest.mark.parametrize(
    ("words", "rounds"),
    [
        (("null",), 200),
        (("null", "--tries", "4", "--rounds", "3"), 12),
        (("--null", "1"), 14),
        (("null", "--rounds", "300"), 300),
    ],
)
def test_base_is_timed_for_all_tries_at_once(words: tuple[str, ...], rounds: int) -> None:
    _, request = run(*words)
    assert request.prefixes == (0,)
    assert request.schedule.rounds == rounds


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ("test check", click.UsageError, r"extra argument \(check\)"),
        ("--tree v7.3 check more", click.UsageError, r"extra argument \(more\)"),
        ("check test more", click.UsageError, r"extra argument \(more\)"),
        ("check --rounds 3", click.UsageError, "No such option"),
        ("count --seed 3", click.UsageError, "No such option"),
        ("null --prefix 3", click.UsageError, "No such option"),
        ("null --tries 0", click.UsageError, "0 is not in the range"),
        ("--check --count", InputError, "one of them at most"),
        ("--count --null 3", InputError, "one of them at most"),
        ("--null 5 --rounds 2", InputError, "--rounds: 2 rounds per try .* expected at least 3"),
        ("null --rounds 1", InputError, "--rounds: 1 rounds per try .* expected at least 3"),
        ("--size 100M", InputError, "--size"),
        ("check --case generic", InputError, "--case: lacks shift, start, nr"),
        ("check --case dax,nr=1", InputError, "--case: no type 'dax'"),
    ],
)
def test_bad_arguments_are_refused(words: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cli.main(["replay", *words.split()], standalone_mode=False)


@pytest.mark.parametrize("words", [("check",), ("--check",)])
@pytest.mark.parametrize("ok", [True, False])
def test_a_failed_check_exits_with_1(
    words: tuple[str, ...],
    ok: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checked = Checked({}, (ObjectCheck("3", "no calls", ok, "memcpy"),))
    monkeypatch.setattr(job, "check_prefixes", lambda *_: checked)
    code = cli.main(["replay", *words], standalone_mode=False)
    assert code == (None if ok else 1)
    out = capsys.readouterr().out
    assert ("3: no calls: failed (memcpy)" in out) != ok
    answer = "good: every build" if ok else "failed: 1 of 1 object checks failed; every build"
    assert " ".join(out.split()).startswith(f"replay check: {answer}")
    assert ("1 object check held" in " ".join(out.split())) == ok


@pytest.mark.parametrize(
    ("asked", "first"),
    [("gcc", "gcc"), ("clang-19,gcc", "clang-19"), ("gcc-12,gcc,clang", "gcc-12")],
)
def test_several_compilers_are_one_job(
    monkeypatch: pytest.MonkeyPatch, asked: str, first: str
) -> None:
    given: list[object] = []

    def together(_p: object, _c: object, wanted: ReplayRequest, *rest: object) -> None:
        given.extend(rest)
        raise AskedError("time_compilers", wanted)

    monkeypatch.setattr(job, "time_compilers", together)
    _, request = run("--compiler", asked)
    assert request.compiler == first
    assert asked.split(",") in given


@pytest.mark.parametrize(
    "words",
    [
        ("--compiler", "gcc,tcc"),
        ("--compiler", "gcc,gcc"),
        ("--compiler", "gcc,"),
        ("--compiler", ""),
        ("--compiler", "gcc, clang"),
        ("check", "--compiler", "gcc,clang"),
        ("count", "--compiler", "gcc,clang"),
        ("null", "--compiler", "gcc,clang"),
        ("--check", "--compiler", "gcc,clang"),
        ("--null", "3", "--compiler", "gcc,clang"),
    ],
)
def test_other_compilers_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="no compiler"):
        cli.main(["replay", *words], standalone_mode=False)
