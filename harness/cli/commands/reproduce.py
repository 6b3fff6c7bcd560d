# SPDX-License-Identifier: GPL-2.0-only
"""`harness reproduce`: replay all patches, then boot base and tip, and judge every claim."""

from typing import TYPE_CHECKING

import click
from msgspec import UnsetType

from harness.cli.commands.measure import BootOptions, boot_options
from harness.cli.engine_option import chosen_engine
from harness.cli.options import (
    as_one,
    chosen_cache,
    chosen_project,
    follow_up_option,
    require_options,
)
from harness.cli.progress import Story, story
from harness.cli.replay_options import ROUNDS, SECTION_BYTES, schedule_of
from harness.cli.runs import claims_for, concluded, show
from harness.errors import EXIT_VERDICT, InputError
from harness.host.cache import Cache
from harness.host.units import GIB
from harness.project.project import Project

#: The memory whose struct pages are replayed if the guest has no namespace.
WITHOUT_NAMESPACE = 8 * GIB

if TYPE_CHECKING:
    from harness.jobs.graph import Engine
    from harness.jobs.replay import TimedReplay
    from harness.jobs.reproduce import ReproduceRequest
    from harness.project.kernel import Tree
    from harness.record.applied import Applied
    from harness.record.record import ReplayRun, RunRecord
    from harness.replay.prepare import ReplayRequest


@click.command()
@boot_options
@click.option(
    "--each-patch",
    is_flag=True,
    help="Build, boot and measure every prefix, patch by patch.",
)
@follow_up_option
@click.option("--no-replay", is_flag=True, help="Boot only, without the replay.")
@click.option("--no-boot", is_flag=True, help="Replay only, as `harness replay` does.")
@require_options
@as_one(BootOptions)
def reproduce(options: BootOptions) -> None:
    """Repeat the measurement that the cover letter of WHAT describes, and judge its claims.

    Fetches the tree and applies the series. Then times every patch natively on this CPU, as
    `harness replay` does, and prints the first answer. Then builds base and tip, boots both under
    virtme-ng with emulated namespaces, rebinds nd_pmem and dax_pmem, and prints the final answer,
    with both kinds of evidence. Continues an interrupted run. Without a working KVM the guests'
    times are emulated: the boots conclude nothing about speed, and the exit code is 0 if everything
    ran.

    With --each-patch every prefix must build without new compiler warnings, boot, bind and leave
    base's struct pages; otherwise exits with 3 (does not build) or 1. Builds the kernels that are
    not cached, in the order that compiles least.

    \b
    Examples:
      harness reproduce                      100 GiB namespaces, 30 rebinds
      harness reproduce --plan quick --json  4 GiB, 5 rebinds, for programs
      harness reproduce --base v7.3
      harness reproduce --no-boot            the first answer alone
      harness reproduce --fine-clock         time the same calls in microseconds too
      harness reproduce --plan quick --each-patch    the effect of each patch
      harness reproduce my-series.mbox --claim 'nd_pmem=250.5->100.2ms,60%' --claim dax_pmem@2=20%
      harness reproduce --plan quick --each-patch --follow-up    and of our own on top
    """
    if options.no_replay and options.no_boot:
        raise InputError("given together", where="--no-replay, --no-boot", expected="one of them")
    project, cache = chosen_project(), chosen_cache()
    request = options.request(claims_for(project, cache, options.kernels, options.claims))
    with (
        chosen_engine(project, cache, options.workers) as (runs, at_once),
        story(cache, f"reproduce {request.plan}", named=at_once) as progress,
    ):
        this = _Reproduction(project, cache, options, request, progress)
        record = this.measured(runs)
    code = this.shown(record)
    click.echo(progress.summary(), err=True)
    if code:
        raise click.exceptions.Exit(code)


class _Reproduction:
    """A call of `harness reproduce`: replays, boots, and prints both answers."""

    def __init__(
        self,
        project: Project,
        cache: Cache,
        options: BootOptions,
        request: "ReproduceRequest",
        progress: Story,
    ) -> None:
        self._project = project
        self._cache = cache
        self._options = options
        self._request = request
        self._progress = progress
        self._first: TimedReplay | None = None

    def measured(self, runs: "Engine") -> "RunRecord":
        """Replay and boot, as wanted, and return the record; print the first answer in between."""
        from harness.jobs.per_patch import reproduce_each_patch
        from harness.jobs.reproduce import replay_only, reproduce
        from harness.replay.prepare import find_replay, replay_of

        project, cache, request, notify = self._project, self._cache, self._request, self._progress
        series = project.measurable_series(request.slug)
        if self._options.no_boot:
            replay_of(series)
            return replay_only(runs, project, cache, request, notify, self._replayed)
        boot = reproduce_each_patch if self._options.each_patch else reproduce
        has_none = find_replay(series) is None
        first = None if self._options.no_replay or has_none else self._replayed
        return boot(runs, project, cache, request, notify, first)

    def shown(self, record: "RunRecord") -> int:
        """Print the final answer, and return the exit code."""
        from harness.judge.exit_code import reproduce_exit_code

        found = concluded(self._project, record)
        titles = self._first.titles if self._first and self._options.no_boot else None
        show(self._project, found, titles, as_json=self._options.as_json)
        code = reproduce_exit_code(found, self._options.require)
        differs = self._first is not None and not self._first.equal
        return code or (EXIT_VERDICT if differs else 0)

    def _replayed(self, tree: "Tree", applied: "Applied") -> "ReplayRun":
        from harness.jobs.first_answer import replay_first
        from harness.jobs.graph import Done
        from harness.jobs.reproduce import REPLAY

        found = self._first = replay_first(
            self._project,
            self._cache,
            self._replay_request(applied),
            tree,
            applied,
            self._request.claims,
            lambda event: self._progress(REPLAY, event),
            boots_follow=not self._options.no_boot,
        )
        self._progress(REPLAY, Done(None))
        silent = self._options.as_json or self._options.no_boot
        if found.record.outcome == "complete" and not silent:
            first = concluded(self._project, found.record)
            with self._progress.paused():
                click.echo("first answer, from a replay on this CPU; boots follow:\n")
                show(self._project, first, found.titles, as_json=False)
                click.echo()
        return found.record

    def _replay_request(self, applied: "Applied") -> "ReplayRequest":
        from harness.replay.prepare import ReplayRequest

        plan = self._project.plan(self._request.plan)
        guest = self._project.guest(plan.guest)
        largest = max((n.size_bytes for n in guest.namespaces), default=WITHOUT_NAMESPACE)
        size = max(largest // SECTION_BYTES, 1) * SECTION_BYTES
        rounds = ROUNDS if isinstance(plan.replay_rounds, UnsetType) else plan.replay_rounds
        last = len(applied.patches) if self._request.prefix is None else self._request.prefix
        return ReplayRequest(
            **self._options.kernels._asdict(),
            schedule=schedule_of(str(size), rounds),
            prefixes=tuple(range(1, last + 1)),
            follow_up=self._request.follow_up,
        )
