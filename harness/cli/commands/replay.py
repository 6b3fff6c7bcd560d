# SPDX-License-Identifier: GPL-2.0-only
"""`harness replay`: every prefix of a series, natively, in a minute, without a boot."""

from typing import TYPE_CHECKING

import click

from harness.cli.options import (
    build_options,
    chosen_cache,
    json_option,
    plan_option,
    print_json,
    series_argument,
    source_options,
    tree_option,
)
from harness.cli.progress import watching
from harness.cli.replay_options import PASSES, ROUNDS, SEED, TURNS, schedule_of, size_option
from harness.cli.runs import concluded, show
from harness.errors import EXIT_VERDICT, InputError
from harness.project.project import Project

if TYPE_CHECKING:
    from harness.record.record import ReplayRun
    from harness.replay.replay import Checked, Prepared, ReplayRequest
    from harness.series.source import Source


#: With --null: as many rounds at most, of which each try draws its own.
NULL_ROUNDS = 200


@click.command(short_help="Time and check every prefix natively, without a boot.")
@series_argument
@tree_option
@source_options
@plan_option
@build_options
@click.option(
    "--prefix", "prefixes", multiple=True, type=int, metavar="K", help="Only these, beside base."
)
@size_option
@click.option(
    "--rounds",
    default=ROUNDS,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="In each, one process of every build is alive.",
)
@click.option(
    "--turns",
    default=TURNS,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Of each build and kind in a round.",
)
@click.option(
    "--passes",
    default=PASSES,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Passes a turn, after half of one that settles, untimed.",
)
@click.option(
    "--cases",
    default=100,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="Cases to compare, drawn by lot, beside the plainest ones.",
)
@click.option("--seed", default=SEED, show_default=True, type=int, help="Draws order and cases.")
@click.option("--check", "only_check", is_flag=True, help="Compare and gate, time nothing.")
@click.option(
    "--null",
    "tries",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Time base against itself: in how many of N tries does the interval hold 1?",
)
@click.option(
    "--count", "only_count", is_flag=True, help="Count instructions a page instead of time."
)
@click.option(
    "--store",
    metavar="NAME,...",
    help="Instead of prefixes: the whole series, storing otherwise (see series.yaml).",
)
@json_option
def replay(
    slug: str,
    tree: str,
    source: "Source | None",
    plan: str,
    profile: str,
    compiler: str,
    prefixes: tuple[int, ...],
    size: str,
    rounds: int,
    turns: int,
    passes: int,
    cases: int,
    seed: int,
    only_check: bool,
    tries: int | None,
    only_count: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Run SERIES' own compiled memmap_init_zone_device() as a process of this machine.

    Base and every prefix are compiled (one object each, as the boot kernels are), linked with
    what the function needs of the rest of the kernel, compared with base on many calls, and timed:
    each on the whole namespace (ms, first), then all of them alive at once and by turns of some
    milliseconds on 4 GiB of it, which is what ratios and costs a page are from. Exits with 1 where
    a prefix leaves another memmap than base does. With --null, exits with 1 where so few tries hold
    1 that an interval of 95 % would do so in less than one run of 1000.

    \b
    Examples:
      harness replay                    all prefixes, 100 GiB namespaces
      harness replay --prefix 7         base and the first seven patches
      harness replay --check            equality and gates on the objects, no timing
      harness replay --count            instructions a page, repeatable to the last digit
      harness replay --store movnti,movdir64b,avx512,rep-movsb,memcpy
      harness replay --null 100
      harness replay --size 4G --json   smaller, for programs
    """
    if sum((only_check, tries is not None, only_count)) > 1:
        raise InputError(
            "given together", where="--check, --null, --count", expected="one of them at most"
        )
    from harness.replay import replay as run
    from harness.replay.timing import reserve

    wanted = run.ReplayRequest(
        slug=slug,
        tree=tree,
        schedule=schedule_of(size, _rounds(rounds, tries), passes, seed, turns),
        source=source,
        plan=plan,
        profile=profile,
        compiler=compiler,
        prefixes=(0,) if tries else prefixes or None,
        stores=tuple(store.split(",")) if store else (),
        cases=cases,
    )
    project, cache = Project.find(), chosen_cache()
    with watching() as listen:
        timed_bytes = 0 if only_count or only_check else wanted.schedule.memory_bytes(1)
        with reserve.asked_for(timed_bytes):
            made = run.prepare(project, cache, wanted, listen)
            drive = run.driver(cache, listen)
            if not (tries or only_count or only_check):
                compared = run.compared(drive, made, wanted, listen)
        if tries:
            record = run.timed(project, cache, drive, run.twice(made), wanted, None, listen)
        elif only_count:
            record = run.counted(project, cache, drive, made, wanted, listen)
        elif only_check:
            checked = run.checked(project, cache, drive, made, wanted, listen)
        else:
            record = run.timed(project, cache, drive, made, wanted, compared, listen)
    if tries:
        ok = _show_null(record, tries, rounds, seed, as_json=as_json)
    elif only_count:
        ok = _show_counted(record, as_json=as_json)
    elif only_check:
        ok = _show_checked(checked, wanted, as_json=as_json)
    else:
        show(project, concluded(project, record), _titles(made), as_json=as_json)
        ok = not compared.unequal
    if not ok:
        raise click.exceptions.Exit(EXIT_VERDICT)


def _show_checked(checked: "Checked", wanted: "ReplayRequest", *, as_json: bool) -> bool:
    if as_json:
        print_json({"ok": checked.ok, "seed": wanted.schedule.seed, "checked": checked})
        return checked.ok
    for name, compared in checked.compared.items():
        click.echo(f"{compared.cases} cases, {name}: {len(compared.unequal)} builds differ")
        for found in compared.unequal:
            click.echo(f"  {found.build}: {found.case}: {found.what}")
    for gate in checked.gates:
        if not gate.ok:
            click.echo(f"  {gate.build}: {gate.name}: no ({gate.detail})")
    failed = sum(not gate.ok for gate in checked.gates)
    click.echo(f"{len(checked.gates)} gates on the objects: {failed} failed")
    return checked.ok


def _rounds(rounds: int, tries: int | None) -> int:
    """Return how many rounds to measure. Raises InputError for a try without an interval."""
    if tries is None:
        return rounds
    from harness.judge.stats.ratio import FEWEST

    if rounds < FEWEST:
        raise InputError(
            f"{rounds} rounds per try are too few for an interval",
            where="--rounds",
            expected=f"at least {FEWEST} with --null",
        )
    return max(rounds, min(rounds * tries, NULL_ROUNDS))


def _show_null(record: "ReplayRun", tries: int, rounds: int, seed: int, *, as_json: bool) -> bool:
    from harness.judge.replay_ratios import COVERAGE, LEVEL, null

    found = null(record, tries, rounds, seed)
    if as_json:
        print_json({"tries": tries, "rounds_a_try": rounds, "kinds": found})
    else:
        for kind, result in found.items():
            how = "dealt from" if result.rounds >= tries * rounds else "drawn by lot from"
            click.echo(
                f"{kind}: the interval holds 1 in {result.held} of {tries} tries, its width is "
                f"{result.median_width:.3f} (median); {rounds} rounds a try, {how} {result.rounds}"
            )
            if not result.ok:
                click.echo(
                    f"{kind}: FAILED: an interval that covers {COVERAGE:.0%} holds 1 in fewer than "
                    f"{result.fewest} of {tries} tries with a probability below {LEVEL:.1%}"
                )
    return all(result.ok for result in found.values())


def _show_counted(record: "ReplayRun", *, as_json: bool) -> bool:
    found: dict[str, dict[str, float]] = {}
    for count in record.counts:
        found.setdefault(count.build, {})[count.kind] = count.per_page
    by = record.counts[0].by
    if as_json:
        print_json(
            [{"build": build, "by": by, "per_page": kinds} for build, kinds in found.items()]
        )
        return True
    for build, kinds in found.items():
        told = ", ".join(f"{kind} {value:.3f}" for kind, value in kinds.items())
        click.echo(f"{build:>10}  {told}")
    click.echo(f"instructions a struct page, by {by}")
    return True


def _titles(made: "Prepared") -> dict[str, str]:
    return {build.name: build.title for build in made.builds if build.name != build.title}
