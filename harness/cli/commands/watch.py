# SPDX-License-Identifier: GPL-2.0-only
"""`harness watch`."""

import time
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli import printable
from harness.cli.options import (
    DEFAULT_TREE,
    as_one,
    build_options,
    chosen_cache,
    chosen_project,
    gate_rule,
    json_option,
    plan_option,
    print_json,
    what_options,
)
from harness.cli.progress import watching
from harness.cli.replay_options import ROUNDS, schedule_of, size_option
from harness.errors import InputError, MachineError
from harness.host.cache import Cache
from harness.project.project import Project

if TYPE_CHECKING:
    from harness.jobs.trial import TrialRequest, Visit
    from harness.jobs.watch import Failure
    from harness.project.series import Series
    from harness.series.source import Source


class WatchOptions(NamedTuple):
    """The options of `harness watch`."""

    slug: str
    tree: str
    since: str | None
    follow: bool
    every: str
    only_check: bool
    gates: tuple[str, ...]
    boots: bool
    source: "Source | None"
    plan: str
    profile: str
    compiler: str
    size: str
    rounds: int
    as_json: bool


@click.command()
@what_options
@click.option(
    "--tree",
    default=DEFAULT_TREE,
    show_default=True,
    metavar="T",
    help="Entry of configs/trees.yaml whose tags to try; its provider is git or debian-source.",
)
@click.option("--since", metavar="TAG", help="Try every tag later than TAG.")
@click.option("--follow", is_flag=True, help="Look again and again instead of once.")
@click.option(
    "--every", default="15m", show_default=True, metavar="TIME", help="Pause with --follow."
)
@click.option("--check", "only_check", is_flag=True, help="Compare and check, time nothing.")
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="RULE",
    help="Require this rule, like order0.ratio<0.8; may be given again.",
)
@click.option("--reproduce", "boots", is_flag=True, help="Boot what passed as well, by --plan.")
@plan_option
@build_options
@size_option
@click.option(
    "--rounds",
    default=ROUNDS,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Rounds, each with a new process per build.",
)
@json_option
@as_one(WatchOptions)
def watch(options: WatchOptions) -> None:
    """Rebase WHAT onto each new tag of tree T, compare every patch there with base, and time it.

    Prints one line per tag. Exits with the worst code of all tags: 0 everything holds, 1 struct
    pages or gates fail, 3 the series does not apply or build. The result of each tag is stored in
    results/SERIES/watch-T/; remove its file to try the tag again. A tag that could not be tried is
    tried again next time. The first look tries the newest tag only, unless --since is given.

    \b
    Examples:
      harness watch --tree v7.2                  once: for cron or CI
      harness watch --tree mine --since v7.2     every later tag of that git tree
      harness watch --tree mine --follow --every 1h --gate 'order0.ratio<0.8'
      harness watch --tree v7.3 --check --json
    """
    from harness.jobs.trial import TrialRequest

    project, cache = chosen_project(), chosen_cache()
    wanted = TrialRequest(
        slug=options.slug,
        schedule=schedule_of(options.size, options.rounds),
        source=options.source,
        plan=options.plan,
        profile=options.profile,
        compiler=options.compiler,
        timed=not options.only_check,
        boots=options.boots,
        rules=tuple(gate_rule(text) for text in options.gates),
    )
    pause_s = _seconds(options.every)
    _require_measured(wanted, project.measurable_series(options.slug))
    tree, as_json = options.tree, options.as_json
    code = _look(project, cache, wanted, tree, options.since, as_json=as_json)
    while options.follow:
        time.sleep(pause_s)
        try:
            _look(project, cache, wanted, tree, None, as_json=as_json)
        except MachineError as error:
            # The network may be back next time.
            click.echo(printable(f"harness: {error}"), err=True)
    if code:
        raise click.exceptions.Exit(code)


def _look(
    project: Project,
    cache: Cache,
    wanted: "TrialRequest",
    tree: str,
    since: str | None,
    *,
    as_json: bool,
) -> int:
    """Try the new tags, print what came of each, and return the worst exit code."""
    from harness.jobs import watch as job
    from harness.jobs.trial import Visit

    found: list[Visit | Failure] = []
    with watching() as listen:
        for one in job.look(project, cache, wanted, tree, since, listen):
            found.append(one)
            if not as_json:
                click.echo(printable(_line(one)))
    code = max((one.exit_code for one in found), default=0)
    folder = job.folder_of(project, wanted.slug, tree)
    good = job.last_good(folder)
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "exit_code": code,
                "visits": [one for one in found if isinstance(one, Visit)],
                "failures": [one for one in found if not isinstance(one, Visit)],
                "last_good": good,
            }
        )
        return code
    if not found:
        click.echo("no new tag")
    click.echo(f"last good: {good.tag if good else 'none yet'}; results: {printable(str(folder))}")
    return code


def _line(one: "Visit | Failure") -> str:
    from harness.jobs.watch import Failure

    if isinstance(one, Failure):
        return f"{one.tag}  not tried: {one.reason}"
    result = "held" if one.exit_code == 0 else f"failed in {one.stage}"
    fallbacks = f" [{'; '.join(one.fallbacks)}]" if one.fallbacks else ""
    return f"{one.tag}  {result}: {one.reason}{fallbacks}"


def _require_measured(wanted: "TrialRequest", series: "Series") -> None:
    """Raise InputError for a gate on something that is not measured."""
    from harness.jobs.trial import of_boots

    for rule in wanted.rules:
        if of_boots(rule, series) and not wanted.boots:
            raise InputError(f"{rule.text} needs boots", where="--gate", expected="--reproduce")
        if not of_boots(rule, series) and not wanted.timed:
            raise InputError(f"{rule.text} needs times", where="--gate", expected="no --check")


def _seconds(text: str) -> int:
    from harness.host.units import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise InputError(str(error), where="--every") from error
    if seconds == 0:
        raise InputError("no pause at all", where="--every", expected="1s or more")
    return seconds
