# SPDX-License-Identifier: GPL-2.0-only
"""`harness watch`."""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from harness.cli import printable
from harness.cli.commands.replay import ROUNDS, schedule_of
from harness.cli.options import (
    DEFAULT_TREE,
    build_options,
    chosen_source,
    gate_rule,
    json_option,
    plan_option,
    print_json,
    series_argument,
    source_options,
)
from harness.cli.progress import watching
from harness.errors import EXIT_VERDICT, DoesNotBuild, InputError, MachineError
from harness.events import Listener
from harness.host.cache import Cache
from harness.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.jobs.trial import TrialRequest
    from harness.jobs.watch import Failure, Round
    from harness.jobs.watch_outcome import Visit
    from harness.judge.rule_syntax import Rule
    from harness.record.record import RunRecord
    from harness.series.apply import RebasedSource

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command(short_help="Try a series on each new tag of a tree, once.")
@series_argument
@click.option(
    "--tree",
    default=DEFAULT_TREE,
    show_default=True,
    metavar="T",
    help="Entry of configs/trees.yaml whose source is looked at: git or debian-source.",
)
@click.option("--since", metavar="TAG", help="Take all tags later than TAG for new.")
@click.option("--follow", is_flag=True, help="Keep looking instead of looking once.")
@click.option("--every", default="15m", show_default=True, metavar="TIME", help="With --follow.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Remember the visits there (default: results/SERIES/watch-T.json).",
)
@click.option("--check", "only_check", is_flag=True, help="Compare and gate, time nothing.")
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="RULE",
    help="Hold the times to this, like order0.ratio<0.8; may be given many times.",
)
@click.option("--reproduce", "boots", is_flag=True, help="Boot what passed, by --plan, as well.")
@source_options
@plan_option
@build_options
@click.option(
    "--size", default="100G", show_default=True, metavar="S", help="Size of the namespaces."
)
@click.option("--rounds", default=ROUNDS, show_default=True, type=click.IntRange(1, 1000))
@json_option
def watch(
    slug: str,
    tree: str,
    since: str | None,
    follow: bool,
    every: str,
    state: Path | None,
    only_check: bool,
    gates: tuple[str, ...],
    boots: bool,
    version: int | None,
    port: str | None,
    mbox: Path | None,
    plan: str,
    profile: str,
    compiler: str,
    size: str,
    rounds: int,
    as_json: bool,
) -> None:
    """Carry SERIES to each new tag of tree T, compare every patch there with base, and time it.

    A line a tag, and the worst exit code of all: 0 held, 1 struct pages or gates differ, 3 it does
    not apply or build. What was visited is remembered in results/, which outlives the cache. A
    failure of the machine is no visit: the tag is tried again next time. The first look takes the
    newest tag alone, unless --since says more.

    \b
    Examples:
      harness watch --tree v7.2                  once: for cron or CI
      harness watch --tree mine --since v7.2     every later tag of that git tree
      harness watch --tree mine --follow --every 1h --gate 'order0.ratio<0.8'
      harness watch --tree v7.3 --check --json
    """
    from harness.jobs import watch as stage
    from harness.jobs.trial import TrialRequest

    project, cache = Project.find(), Cache.default()
    pause_s = _seconds(every)
    rules = [gate_rule(text) for text in gates]
    _require_decidable(rules, timed=not only_check, boots=boots)
    wanted = TrialRequest(
        slug=slug,
        schedule=schedule_of(size, rounds),
        source=chosen_source(version, port, mbox),
        plan=plan,
        profile=profile,
        compiler=compiler,
        timed=not only_check,
        rules=tuple(rule for rule in rules if not _is_of_boots(rule)),
    )
    of_boots = tuple(filter(_is_of_boots, rules)) if boots else None
    project.measurable_series(slug)
    state = state or stage.place(project, slug, tree)
    with stage.held(state):
        code = _look(project, cache, wanted, tree, state, since, of_boots, as_json=as_json)
        while follow:
            time.sleep(pause_s)
            try:
                _look(project, cache, wanted, tree, state, None, of_boots, as_json=as_json)
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
    state: Path,
    since: str | None,
    of_boots: "tuple[Rule, ...] | None",
    *,
    as_json: bool,
) -> int:
    """Look once, tell of each tag, and return the worst exit code."""
    from harness.jobs import watch as stage

    with watching() as listen:
        found = stage.look(
            project,
            cache,
            stage.remembered(state, wanted.slug, tree),
            state,
            _trial(project, cache, wanted, tree, listen, of_boots),
            named=(wanted.slug, tree),
            later_than=since,
            told=_quiet if as_json else _tell,
        )
    _summed_up(found, state, as_json=as_json)
    return found.exit_code


def _is_of_boots(rule: "Rule") -> bool:
    from harness.replay.timing.schedule import KINDS

    return rule.kind not in KINDS


def _require_decidable(rules: "Sequence[Rule]", *, timed: bool, boots: bool) -> None:
    """Raise InputError for a rule that nothing would be measured for."""
    for rule in rules:
        if _is_of_boots(rule) and not boots:
            raise InputError(f"{rule.text} wants boots", where="--gate", expected="--reproduce")
        if not _is_of_boots(rule) and not timed:
            raise InputError(f"{rule.text} wants times", where="--gate", expected="no --check")


def _trial(
    project: Project,
    cache: Cache,
    wanted: "TrialRequest",
    tree: str,
    listen: Listener,
    of_boots: "tuple[Rule, ...] | None",
) -> "Callable[[str], Visit]":
    """What is done with a tag: carry and replay, then boot what passed if there are rules for it.

    `of_boots` None boots nothing.
    """
    from harness.jobs.trial import trial
    from harness.trees.names import TAG_MARK

    def tried(tag: str) -> "Visit":
        name = f"{tree}{TAG_MARK}{tag}"
        found = trial(project, cache, wanted, tag, name, listen)
        if of_boots is None or found.visit.exit_code or found.source is None:
            return found.visit
        try:
            record = _booted(project, cache, wanted, name, found.source, listen)
        except DoesNotBuild as error:
            return msgspec.structs.replace(
                found.visit, exit_code=error.exit_code, stage="compile", reason=str(error)
            )
        return _with_boots(project, found.visit, record, of_boots)

    return tried


def _booted(
    project: Project,
    cache: Cache,
    wanted: "TrialRequest",
    name: str,
    source: "RebasedSource",
    listen: Listener,
) -> "RunRecord":
    from harness.jobs import reproduce
    from harness.jobs.graph import Done, Failed
    from harness.jobs.local import Local

    def hear(_job: str, heard: object) -> None:
        if not isinstance(heard, Done | Failed):
            listen(heard)  # type: ignore[arg-type]

    request = reproduce.ReproduceRequest(
        slug=wanted.slug,
        tree=name,
        source=source,
        plan=wanted.plan,
        profile=wanted.profile,
        compiler=wanted.compiler,
    )
    return reproduce.reproduce(Local(project, cache), project, cache, request, hear)


def _with_boots(
    project: Project, visit: "Visit", record: "RunRecord", rules: "tuple[Rule, ...]"
) -> "Visit":
    """Add what the boots came to: a contradicted or an inconclusive verdict is none that holds."""
    from harness.cli.commands.report import nulls_for
    from harness.judge.conclude import conclude

    claims = project.claims(record.subject.slug)
    found = conclude(record, claims, nulls_for(project, record), rules)
    said = [f"{v.driver} {v.verdict}" for v in found.verdicts]
    said += [f"{gate.rule} fails: {gate.reason}" for gate in found.gates if not gate.ok]
    words = {v.verdict for v in found.verdicts}
    failed = record.outcome != "complete" or not all(gate.ok for gate in found.gates)
    failed = failed or bool(words & {"contradicted", "inconclusive"})
    return msgspec.structs.replace(
        visit,
        exit_code=EXIT_VERDICT if failed else visit.exit_code,
        stage="boot" if failed else visit.stage,
        reason=f"{visit.reason}; {record.evidence}: {', '.join(said) or record.outcome}",
        runs=(*visit.runs, record.run_id),
    )


def _tell(one: "Visit | Failure") -> None:
    """Print one line a tag."""
    from harness.jobs.watch_outcome import Visit

    if isinstance(one, Visit):
        word = "held" if one.exit_code == 0 else f"failed in {one.stage}"
        needed = f" [{'; '.join(one.fallbacks)}]" if one.fallbacks else ""
        click.echo(printable(f"{one.tag}  {word}: {one.reason}{needed}"))
    else:
        click.echo(printable(f"{one.tag}  not tried: {one.reason}"))


def _quiet(_one: "Visit | Failure") -> None:
    pass


def _summed_up(found: "Round", state: Path, *, as_json: bool) -> None:
    good = found.watched.last_good
    if as_json:
        print_json(
            {
                "state": str(state),
                "exit_code": found.exit_code,
                "visits": found.visits,
                "failures": found.failures,
                "last_good": good,
            }
        )
        return
    if not found.visits and not found.failures:
        click.echo("no new tag")
    click.echo(f"last good: {good.tag if good else 'none yet'}; remembered in {state}")


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None or not int(match[1]):
        raise InputError(
            f"{text!r} is no time", where="--every", expected="like 90s, 15m, 2h or 1d"
        )
    return int(match[1]) * _SECONDS[match[2]]
