# SPDX-License-Identifier: GPL-2.0-only
"""`harness bisect`."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from harness.cli import printable
from harness.cli.options import (
    Named,
    Renamed,
    as_one,
    chosen_cache,
    earlier_options,
    gate_rule,
    json_option,
    mail_choice_options,
    plan_option,
    print_json,
    understood,
    what_argument,
)
from harness.cli.progress import watching
from harness.cli.replay_options import ROUNDS, schedule_of
from harness.errors import EXIT_VERDICT, InputError
from harness.project.project import DEFAULT_SERIES, Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.jobs.bisect.outcome import Bisected, FoundCommit
    from harness.replay.timing.schedule import Schedule


class BisectOptions(NamedTuple):
    """The options of `harness bisect`."""

    good: str
    bad: str
    gate: str | None
    memmap: bool
    applies: bool
    what: str | None
    repo: str | None
    series: str | None
    version: int | None
    port: str | None
    mbox: Path | None
    archive: str
    with_fixes: bool
    plan: str
    paths: tuple[str, ...]
    size: str
    rounds: int
    cases: int
    as_json: bool


@click.command()
@click.argument("good")
@click.argument("bad")
@what_argument
@click.option(
    "--repo",
    "--tree",
    "repo",
    cls=Renamed,
    metavar="R",
    help="Git repository with both commits, only read: a path, or an entry of configs/trees.yaml "
    "(default: the kernel tree that you are in).",
)
@click.option("--series", hidden=True)
@mail_choice_options
@earlier_options
@click.option("--gate", metavar="RULE", help="Bad if this rule fails, like order0.ratio<1.05.")
@click.option("--memmap", is_flag=True, help="Bad if the struct pages differ.")
@click.option("--applies", is_flag=True, help="Bad if the series does not apply.")
@plan_option
@click.option("--path", "paths", multiple=True, metavar="P", help="Only commits that touch P.")
@click.option(
    "--size", default="4G", show_default=True, metavar="S", help="Size of the namespaces."
)
@click.option(
    "--rounds",
    default=ROUNDS,
    show_default=True,
    type=click.IntRange(3, 1000),
    help="Rounds per commit; an undecided ratio takes up to four times as many.",
)
@click.option(
    "--cases",
    default=100,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="Random calls to compare, beside the fixed ones.",
)
@json_option
@as_one(BisectOptions)
def bisect(options: BisectOptions) -> None:
    """Bisect between the commits GOOD and BAD of a git tree to the first bad one.

    Runs `git bisect` with a replay as the test: compiles the one object of each commit and runs it
    interleaved with that of GOOD. With WHAT, rebases it onto each commit and tests it against that
    commit. Skips commits that do not build or are undecided. Tests both ends first. Exits with 1
    if skipped commits leave more than one candidate.

    \b
    Examples:
      harness bisect v7.2 v7.3 --repo ~/linux --memmap
      harness bisect v7.2 v7.3 --repo ~/linux --gate 'order0.ratio<1.05'
      harness bisect v7.2 v7.3 --repo mine --gate 'order9.instructions_ratio<1.01' --path mm
      harness bisect v7.3-rc1 v7.3-rc2 memcpy-streaming --repo mine --applies
    """
    from harness.jobs.bisect import bisect as run
    from harness.series.what import Given

    _require_one_question(options)
    repository = _repository(options.repo)
    clone = Path(repository).expanduser()
    what = options.what or options.series
    named = Named(what, None, options.version, options.port, options.mbox)
    named = named._replace(archive=options.archive, with_fixes=options.with_fixes)
    given = (
        Given(DEFAULT_SERIES)
        if not any(named)
        else understood(named._replace(repo=clone if clone.is_dir() else None))
    )
    wanted = run.BisectRequest(
        slug=given.slug,
        good=options.good,
        bad=options.bad,
        tree=repository,
        schedule=_schedule(options.size, options.rounds),
        rule=None if options.gate is None else gate_rule(options.gate),
        with_series=any(named),
        applies=options.applies,
        source=given.source,
        paths=options.paths,
        plan=options.plan,
        cases=options.cases,
    )
    with watching() as listen:
        found = run.bisect(Project.find(), chosen_cache(), wanted, listen)
    if options.as_json:
        print_json(found)
    else:
        for line in _lines(found):
            click.echo(printable(line))
    if found.first_bad is None:
        raise click.exceptions.Exit(EXIT_VERDICT)


def _repository(named: str | None) -> str:
    """Return the repository to bisect, by default the kernel tree around. Raises InputError."""
    from harness.series.commits import kernel_tree_at

    found = named or kernel_tree_at(Path.cwd())
    if found is None:
        raise InputError(
            "is missing, and this folder is in no kernel tree", where="--repo", expected="a path"
        )
    return str(found)


def _require_one_question(options: BisectOptions) -> None:
    if (options.gate is not None) + options.memmap + options.applies != 1:
        raise InputError(
            "do not say what is bad", where="--gate, --memmap, --applies", expected="one of them"
        )


def _lines(found: "Bisected") -> "Iterator[str]":
    yield f"bad if {found.question}"
    for one in found.judged:
        yield f"  {one.word:4}  {one.commit[:12]}  {one.subject}: {one.detail}"
    judged = f"{len(found.judged)} of {found.between + 1} commits judged"
    if found.first_bad is not None:
        yield f"first bad commit ({judged}):"
        yield from _commit(found.first_bad)
        return
    yield f"first bad commit unknown: skipped commits ({judged}); one of:"
    for commit in found.may_be:
        yield from _commit(commit)


def _commit(one: "FoundCommit") -> "Iterator[str]":
    yield f"  {one.commit}  {one.date}  {one.author}"
    yield f"    {one.subject}"
    yield f"    {', '.join(one.files)}"


def _schedule(size: str, rounds: int) -> "Schedule":
    """Return a schedule of slices on the whole namespace: only ratios are needed."""
    found = schedule_of(size, rounds)
    return msgspec.structs.replace(found, slice_bytes=found.size_bytes)
