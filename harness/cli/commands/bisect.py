# SPDX-License-Identifier: GPL-2.0-only
"""`harness bisect`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from harness.cli import printable
from harness.cli.commands.replay import ROUNDS, schedule_of
from harness.cli.options import (
    DEFAULT_SERIES,
    chosen_source,
    gate_rule,
    json_option,
    plan_option,
    print_json,
    source_options,
)
from harness.cli.progress import watching
from harness.errors import EXIT_VERDICT, InputError
from harness.host.cache import Cache
from harness.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.jobs.bisect.outcome import Bisected, FoundCommit
    from harness.replay.timing.schedule import Schedule


@click.command(short_help="Find the commit since which it is slower or otherwise.")
@click.argument("good")
@click.argument("bad")
@click.option(
    "--tree",
    required=True,
    metavar="T",
    help="Git repository with both: its path, or an entry of configs/trees.yaml. Only read.",
)
@click.option("--gate", metavar="RULE", help="Bad is where this fails, like order0.ratio<1.05.")
@click.option("--memmap", is_flag=True, help="Bad is where the struct pages differ.")
@click.option("--applies", is_flag=True, help="Bad is where the series does not apply.")
@click.option(
    "--series",
    "carried",
    metavar="SERIES",
    help="Carry this series to every commit, and hold it against that commit.",
)
@source_options
@plan_option
@click.option("--path", "paths", multiple=True, metavar="P", help="Only commits that touch P.")
@click.option("--size", default="4G", show_default=True, metavar="S", help="Of the namespaces.")
@click.option(
    "--rounds",
    default=ROUNDS,
    show_default=True,
    type=click.IntRange(3, 1000),
    help="Rounds a commit; a ratio that is not clear takes up to four times as many.",
)
@click.option("--cases", default=100, show_default=True, type=click.IntRange(0, 1_000_000))
@json_option
def bisect(
    good: str,
    bad: str,
    tree: str,
    gate: str | None,
    memmap: bool,
    applies: bool,
    carried: str | None,
    version: int | None,
    port: str | None,
    mbox: Path | None,
    plan: str,
    paths: tuple[str, ...],
    size: str,
    rounds: int,
    cases: int,
    as_json: bool,
) -> None:
    """Find, between the commits GOOD and BAD of a git tree, the first that is bad.

    As `git bisect run` does, with a replay as the judge: of each commit the one object is compiled
    and run beside that of GOOD, interleaved, in seconds. With --series it is the series on each
    commit, beside that commit. What does not build, or cannot be told, is skipped. Both ends are
    judged first. Exits with 1 where skipped commits hide which one it is.

    \b
    Examples:
      harness bisect v7.2 v7.3 --tree ~/linux --memmap
      harness bisect v7.2 v7.3 --tree ~/linux --gate 'order0.ratio<1.05'
      harness bisect v7.2 v7.3 --tree mine --gate 'order9.instructions_ratio<1.01' --path mm
      harness bisect v7.3-rc1 v7.3-rc2 --tree mine --applies --series memcpy-streaming
    """
    from harness.jobs.bisect import bisect as run

    _require_one_question(gate, memmap, applies)
    wanted = run.BisectRequest(
        slug=carried or DEFAULT_SERIES,
        good=good,
        bad=bad,
        tree=tree,
        schedule=_schedule(size, rounds),
        rule=None if gate is None else gate_rule(gate),
        carry=carried is not None,
        applies=applies,
        source=chosen_source(version, port, mbox),
        paths=paths,
        plan=plan,
        cases=cases,
    )
    with watching() as listen:
        found = run.bisect(Project.find(), Cache.default(), wanted, listen)
    if as_json:
        print_json(found)
    else:
        for line in _lines(found):
            click.echo(printable(line))
    if found.first_bad is None:
        raise click.exceptions.Exit(EXIT_VERDICT)


def _require_one_question(gate: str | None, memmap: bool, applies: bool) -> None:
    if (gate is not None) + memmap + applies != 1:
        raise InputError(
            "says not what is bad", where="--gate, --memmap, --applies", expected="one of them"
        )


def _lines(found: "Bisected") -> "Iterator[str]":
    yield f"bad is where {found.question}"
    for one in found.judged:
        yield f"  {one.word:4}  {one.commit[:12]}  {one.subject}: {one.detail}"
    judged = f"{len(found.judged)} of {found.between + 1} commits judged"
    if found.first_bad is not None:
        yield f"first bad commit ({judged}):"
        yield from _commit(found.first_bad)
        return
    yield f"skipped commits hide which it is ({judged}); one of:"
    for commit in found.may_be:
        yield from _commit(commit)


def _commit(one: "FoundCommit") -> "Iterator[str]":
    yield f"  {one.commit}  {one.date}  {one.author}"
    yield f"    {one.subject}"
    yield f"    {', '.join(one.files)}"


def _schedule(size: str, rounds: int) -> "Schedule":
    """What is asked about is a ratio: turns alone, on namespaces of this very size."""
    found = schedule_of(size, rounds)
    return msgspec.structs.replace(found, turn_bytes=found.size_bytes)
