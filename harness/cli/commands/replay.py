# SPDX-License-Identifier: GPL-2.0-only
"""`harness replay` and its subcommands: the function as a process of this machine, no boot."""

from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli import printable
from harness.cli.options import (
    KernelOptions,
    adding,
    as_one,
    chosen_cache,
    chosen_project,
    claim_options,
    follow_up_option,
    json_option,
    kernel_options,
    print_json,
    print_rich,
)
from harness.cli.progress import watching
from harness.cli.replay_options import PASSES, ROUNDS, SEED, TURNS, schedule_of, size_option
from harness.cli.runs import claims_for, concluded, show_replays
from harness.errors import EXIT_VERDICT, InputError
from harness.host.units import count as counted
from harness.project.project import Project
from harness.record import store

if TYPE_CHECKING:
    from harness.claims.letter import RunStatement
    from harness.record.record import ReplayRun
    from harness.replay.check import Checked
    from harness.replay.compare import Unequal
    from harness.replay.prepare import ReplayRequest
    from harness.report.lines import Tone
    from harness.workloads.replay import Case


class ReplayOptions(NamedTuple):
    """The options of `harness replay` and its subcommands; each has some of them."""

    kernels: KernelOptions
    as_json: bool
    claims: "RunStatement | None" = None
    prefixes: tuple[int, ...] = ()
    store: str | None = None
    follow_up: bool = False
    size: str = "100G"
    rounds: int = ROUNDS
    turns: int = TURNS
    passes: int = PASSES
    cases: int = 100
    only: tuple[str, ...] = ()
    seed: int = SEED
    tries: int | None = None
    only_check: bool = False
    only_count: bool = False

    @property
    def compilers(self) -> list[str]:
        """The compilers; only `harness replay` takes more than one."""
        return self.kernels.compiler.split(",")

    def request(self) -> "ReplayRequest":
        """Return what the options ask for. Raises InputError for a size that cannot be."""
        from harness.jobs.replay import null_rounds
        from harness.replay.prepare import ReplayRequest

        rounds = null_rounds(self.rounds, self.tries) if self.tries else self.rounds
        return ReplayRequest(
            **self.kernels._replace(compiler=self.compilers[0])._asdict(),
            schedule=schedule_of(self.size, rounds, self.passes, self.seed, self.turns),
            prefixes=(0,) if self.tries else self.prefixes or None,
            stores=tuple(self.store.split(",")) if self.store else (),
            cases=self.cases,
            only=_cases(self.kernels.slug, self.only),
            follow_up=self.follow_up,
        )


def _cases(slug: str, texts: tuple[str, ...]) -> "tuple[Case, ...]":
    from harness.replay.prepare import replay_of

    if not texts:
        return ()
    parse_case = replay_of(chosen_project().measurable_series(slug)).parse_case
    try:
        return tuple(map(parse_case, texts))
    except ValueError as error:
        raise InputError(str(error), where="--case") from error


class _ReplayGroup(click.Group):
    """A group that takes `[WHAT]` itself: `replay WHAT` as well as `replay check WHAT`.

    Subcommands are looked up first; `refs/heads/check` is a branch named like one of them.
    """

    #: Its --compiler may name several.
    several_compilers = True

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        # A subcommand asks for its usage line, in which this WHAT has no place.
        params = super().get_params(ctx)
        return params if ctx.command is self else []

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] in self.commands:
            # The group's own WHAT, which the subcommand does not use.
            return super().parse_args(ctx, ["", *args])
        # Everything belongs to the group: options may follow WHAT, a second word is an error.
        ctx.allow_interspersed_args, ctx.allow_extra_args = True, False
        return super().parse_args(ctx, args)


build_choice = adding(
    click.option(
        "--prefix",
        "prefixes",
        multiple=True,
        type=int,
        metavar="K",
        help="Take the first K patches, beside base; may be given again (default: every prefix).",
    ),
    click.option(
        "--store",
        metavar="NAME,...",
        help="Instead of prefixes, take these variants of the whole series (see docs/series.md).",
    ),
    follow_up_option,
)
time_options = adding(
    size_option,
    click.option(
        "--rounds",
        default=ROUNDS,
        show_default=True,
        type=click.IntRange(1, 1000),
        help="Rounds, each with a new process per build.",
    ),
    click.option(
        "--turns",
        default=TURNS,
        show_default=True,
        type=click.IntRange(1, 1000),
        help="Slices per round, build and page order.",
    ),
    click.option(
        "--passes",
        default=PASSES,
        show_default=True,
        type=click.IntRange(1, 1000),
        help="Timed passes per slice, after half a pass that is not timed.",
    ),
)
cases_option = click.option(
    "--cases",
    default=100,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="Random calls to compare, beside the fixed ones.",
)
seed_option = click.option(
    "--seed", default=SEED, show_default=True, type=int, help="Seed of random order and calls."
)


@click.group(
    cls=_ReplayGroup, invoke_without_command=True, subcommand_metavar="| COMMAND [ARGS]..."
)
@kernel_options
@build_choice
@time_options
@cases_option
@seed_option
@claim_options
@json_option
# Now subcommands; to be removed after the next release.
@click.option("--check", "only_check", is_flag=True, hidden=True)
@click.option("--count", "only_count", is_flag=True, hidden=True)
@click.option("--null", "tries", type=click.IntRange(1, 10_000), hidden=True)
@click.pass_context
@as_one(ReplayOptions)
def replay(context: click.Context, options: ReplayOptions) -> None:
    """Time memmap_init_zone_device() of WHAT as a process of this machine, without a boot.

    Compiles the object file of base and of every prefix as for a boot, links the function with a
    shim for the rest of the kernel, compares the struct pages that it leaves with base's, and times
    it: on the whole namespace for milliseconds, and in interleaved slices on 4 GiB of it for ratios
    and costs per page. Exits with 1 if a prefix leaves other struct pages than base.

    \b
    Examples:
      harness replay                    every prefix, 100 GiB namespaces
      harness replay --prefix 7         base and the first seven patches
      harness replay --follow-up        and our own patches on top
      harness replay --store movnti,movdir64b,avx512,rep-movsb,memcpy
      harness replay --compiler gcc,clang-19
                                        both in the same rounds, a table for each
      harness replay --size 4G --json   smaller, for programs
      harness replay check              compare struct pages, time nothing
    """
    if context.invoked_subcommand is not None:
        return
    others = options.only_check + options.only_count + (options.tries is not None)
    if others and len(options.compilers) > 1:
        raise InputError(
            f"no compiler {options.kernels.compiler!r}", where="--compiler", expected="one compiler"
        )
    if others > 1:
        raise InputError(
            "given together", where="--check, --null, --count", expected="one of them at most"
        )
    if options.only_check:
        _check(options)
    elif options.only_count:
        _count(options)
    elif options.tries is not None:
        _null(options, options.tries)
    else:
        _time(options)


@replay.command(short_help="Compare struct pages and check the objects; time nothing.")
@kernel_options
@build_choice
@cases_option
@click.option(
    "--case",
    "only",
    multiple=True,
    metavar="CASE",
    help="Compare this call alone, as a failed comparison prints it; may be given again.",
)
@seed_option
@json_option
@as_one(ReplayOptions)
def check(options: ReplayOptions) -> None:
    """Compare the struct pages of every prefix of WHAT with base's, and check the objects.

    Compares on two kernel configurations. Checks that the series uses non-temporal stores where
    series.yaml says so and nowhere else, that they are drained before anything accesses or reads
    back those pages, and that cond_resched() is called as often as by base. Exits with 1 if
    anything differs or a check fails.

    \b
    Examples:
      harness replay check
      harness replay check --cases 5000 --seed 7
      harness replay check --case generic,shift=9,start=0x100000,nr=1024
      harness replay check memcpy-streaming --base v7.3 --json
    """
    _check(options)


@replay.command(short_help="Count instructions and memory traffic per struct page.")
@kernel_options
@build_choice
@json_option
@as_one(ReplayOptions)
def count(options: ReplayOptions) -> None:
    """Count the work of every prefix of WHAT per struct page; repeatable exactly.

    Counts instructions, and cache lines by how they are stored: whole by non-temporal stores,
    partly by them, by ordinary stores (which read the line first), twice, or read back before the
    drain. The counts are stored as a run, for `harness report` and `harness judge`.

    \b
    Examples:
      harness replay count
      harness replay count --prefix 7 --json
      harness replay count && harness judge --gate 'order0.traffic.ordinary==0'
    """
    _count(options)


@replay.command(short_help="Time base against itself; check the 95 % intervals.")
@kernel_options
@click.option(
    "--tries",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Comparisons of base with itself.",
)
@time_options
@seed_option
@json_option
@as_one(ReplayOptions)
def null(options: ReplayOptions) -> None:
    """Time the base of WHAT against itself and count the tries whose 95 % interval contains 1.

    Exits with 1 if so few do that intervals with 95 % coverage would give as few in less than one
    run of 1000.

    \b
    Examples:
      harness replay null
      harness replay null --tries 200 --rounds 20
    """
    _null(options, options.tries or 1)


def _time(options: ReplayOptions) -> None:
    from harness.jobs.replay import time_compilers

    project, cache = chosen_project(), chosen_cache()
    request, given = options.request(), options.claims
    claims = claims_for(project, cache, options.kernels, given) if given else None
    with watching() as listen:
        timed = time_compilers(project, cache, request, options.compilers, listen, claims)
    found = [(concluded(project, one.record), one.titles) for one in timed]
    show_replays(project, found, as_json=options.as_json)
    _exit(ok=all(one.equal for one in timed))


def _check(options: ReplayOptions) -> None:
    from harness.jobs.replay import check_prefixes

    with watching() as listen:
        checked = check_prefixes(chosen_project(), chosen_cache(), options.request(), listen)
    if options.as_json:
        print_json({"ok": checked.ok, "seed": options.seed, "checked": checked})
    else:
        _show_checked(checked)
    _exit(ok=checked.ok)


def _count(options: ReplayOptions) -> None:
    from harness.jobs.replay import count

    project = chosen_project()
    with watching() as listen:
        record = count(project, chosen_cache(), options.request(), listen)
    _show_counted(project, record, as_json=options.as_json)


def _null(options: ReplayOptions, tries: int) -> None:
    from harness.jobs.replay import time_base_twice

    with watching() as listen:
        record = time_base_twice(chosen_project(), chosen_cache(), options.request(), listen)
    ok = _show_null(record, tries, options.rounds, options.seed, as_json=options.as_json)
    _exit(ok=ok)


def _exit(*, ok: bool) -> None:
    if not ok:
        raise click.exceptions.Exit(EXIT_VERDICT)


def _show_checked(checked: "Checked") -> None:
    from harness.report.lines import Line
    from harness.report.terminal.run import text

    tone: Tone = "good" if checked.ok else "bad"
    print_rich(text(Line("replay check", _answer(checked), tone)))
    for name, compared in checked.compared.items():
        for found in compared.unequal:
            _show_unequal(name, found)
    for check in checked.checks:
        if not check.ok:
            click.echo(printable(f"  {check.build}: {check.name}: failed ({check.detail})"))
    stores = ", ".join(f"{build} ({count})" for build, count in checked.streaming.items())
    click.echo(f"builds with non-temporal stores, and how many: {stores or 'none'}")


def _answer(checked: "Checked") -> str:
    """Return whether all is equal and holds, and what was compared, in one sentence."""
    compared, held = checked.compared, sum(check.ok for check in checked.checks)
    builds = {found.build for one in compared.values() for found in one.unequal}
    cases = ", ".join(f"{counted(one.cases, 'case')} ({name})" for name, one in compared.items())
    pages = f"every build leaves base's struct pages in {cases or 'no case'}"
    if builds:
        pages = f"struct pages differ from base's in {counted(len(builds), 'build')}, of {cases}"
    objects = f"{counted(held, 'object check')} held"
    if held < len(checked.checks):
        objects = f"{len(checked.checks) - held} of {len(checked.checks)} object checks failed"
    parts = (pages, objects) if builds or checked.ok else (objects, pages)
    return f"{'good' if checked.ok else 'failed'}: {'; '.join(parts)}"


def _show_unequal(configuration: str, found: "Unequal") -> None:
    what, fields = found.what, found.pages[0].fields if found.pages else ()
    what = what.partition(": ")[0] if fields else what
    click.echo(printable(f"  {found.build}, {configuration}: {what}"))
    for field in fields:
        click.echo(printable(f"    {field}"))
    click.echo(f"    in a call for {found.case}")
    click.echo(f"    alone: the same command with --case {found.case.argument}")


def _show_null(record: "ReplayRun", tries: int, rounds: int, seed: int, *, as_json: bool) -> bool:
    from harness.judge.ratios.replay_ratios import COVERAGE, LEVEL, null

    found = null(record, tries, rounds, seed)
    if as_json:
        print_json({"tries": tries, "rounds_a_try": rounds, "kinds": found})
    else:
        for kind, result in found.items():
            once = result.rounds >= tries * rounds
            how = "each used once, of" if once else "chosen at random from"
            click.echo(
                f"{kind}: the interval holds 1 in {result.held} of {tries} tries, its width is "
                f"{result.median_width:.3f} (median); {rounds} rounds per try, {how} "
                f"{result.rounds}"
            )
            if not result.ok:
                click.echo(
                    f"{kind}: FAILED: an interval that covers {COVERAGE:.0%} holds 1 in fewer than "
                    f"{result.fewest} of {tries} tries with a probability below {LEVEL:.1%}"
                )
    return all(result.ok for result in found.values())


def _show_counted(project: Project, record: "ReplayRun", *, as_json: bool) -> None:
    by = record.counts[0].by
    if as_json:
        print_json([_counted(record, build.name, by) for build in record.builds])
        return
    from harness.report import lines, tables
    from harness.report.terminal.run import grid, text

    found = concluded(project, record)
    print_rich(grid(tables.traffic(found)))
    for line in lines.traffic(found):
        print_rich(text(line))
    click.echo(f"per struct page: instructions counted by {by}; cache lines by single-stepping")
    click.echo(printable(f"record: {store.folder_of(project.results, record) / store.FILE}"))


def _counted(record: "ReplayRun", build: str, by: str) -> dict[str, object]:
    return {
        "build": build,
        "by": by,
        "per_page": {one.kind: one.per_page for one in record.counts if one.build == build},
        "traffic": {one.kind: one.lines for one in record.traffic if one.build == build},
    }
