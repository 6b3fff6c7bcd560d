# SPDX-License-Identifier: GPL-2.0-only
"""`harness compare`: two runs of the same set-up, or all kinds of runs of one series."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.cli.options import json_option, print_json
from harness.errors import InputError, RecordError
from harness.project.project import Project
from harness.record import store
from harness.record.find import find_run

if TYPE_CHECKING:
    from harness.record.record import RunRecord


@click.command()
@click.argument("first", metavar="RUN", required=False)
@click.argument("second", metavar="RUN", required=False)
@click.option(
    "--series",
    "slug",
    metavar="SERIES",
    help="Compare the newest runs of SERIES: guests, logs of other machines, replays.",
)
@json_option
def compare(first: str | None, second: str | None, slug: str | None, as_json: bool) -> None:
    """Compare the second RUN with the first, of two versions of a series, for example.

    Machine, accelerator, guest, procedure, compiler and base's configuration must be equal;
    otherwise prints the field that differs and exits with 65. If one RUN is a replay and
    the other has boots, compares the replays of both.

    With --series, shows the reduction that each kind of evidence measured, with its CPU, and names
    the pairs whose intervals do not overlap.

    \b
    Examples:
      harness compare 20260101T120000-abcdef 20260102T120000-fedcba
      harness compare results/memcpy-streaming/20260101T120000-abcdef … --json
      harness compare --series memcpy-streaming
    """
    from harness.judge.runs.run_diff import compare as changes

    if slug is not None:
        if first is not None:
            raise InputError("given with RUN", where="--series", expected="one or the other")
        _compare_kinds(slug, as_json=as_json)
        return
    if first is None or second is None:
        raise InputError("expected two RUNs, or --series", where="compare")
    project = Project.find()
    before, after = _of_one_kind(*(find_run(project.results, run) for run in (first, second)))
    found = changes(before, after)
    if as_json:
        print_json({"first": before.run_id, "second": after.run_id, "changes": found})
        return
    for c in found:
        click.echo(f"{c.kind} {c.op}: tip/base {c.before:.3f}, then {c.after:.3f}")
        for name, ratio in (("series", c.ratio), ("base", c.base)):
            bounds = (
                f"95 %: {ratio.low:.3f} to {ratio.high:.3f}"
                if ratio.low is not None and ratio.high is not None
                else "too few samples for an interval"
            )
            click.echo(f"  {name:<6}  {ratio.value:.3f} of before ({bounds})")


def _compare_kinds(slug: str, *, as_json: bool) -> None:
    from rich.console import Console

    from harness.judge.runs.kinds import disagreements, side_by_side
    from harness.report.terminal import kinds
    from harness.report.terminal.run import grid

    project = Project.find()
    records: list[RunRecord] = []
    for folder in (one for one in store.runs(project.results) if one.parent.name == slug):
        with contextlib.suppress(RecordError):
            records.append(store.load(folder))
            if (replay := store.replay_beside(folder)) is not None and replay.builds:
                records.append(replay)
    savings = side_by_side(records)
    apart = disagreements(savings)
    if as_json:
        print_json({"series": slug, "savings": savings, "disagreements": apart})
        return
    if not savings:
        raise RecordError(
            f"holds no complete run of {slug} that timed a CPU", where=str(project.results)
        )
    Console(highlight=False).print(grid(kinds.table(savings)))
    for sentence in kinds.sentences(savings, apart):
        click.echo(printable(sentence))


def _of_one_kind(first: Path, second: Path) -> "tuple[RunRecord, RunRecord]":
    """Return the records of both runs, or their replays if one is a replay."""
    before, after = store.load(first), store.load(second)
    if before.evidence == after.evidence:
        return before, after
    if before.evidence == "replay":
        return before, store.replay_beside(second) or after
    if after.evidence == "replay":
        return store.replay_beside(first) or before, after
    return before, after
