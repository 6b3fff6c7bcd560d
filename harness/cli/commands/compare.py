# SPDX-License-Identifier: GPL-2.0-only
"""`harness compare`: the change from one run to another of the same set-up."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, print_json
from harness.project.project import Project
from harness.record import store
from harness.record.find import find_run

if TYPE_CHECKING:
    from harness.record.record import RunRecord


@click.command()
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@json_option
def compare(first: str, second: str, as_json: bool) -> None:
    """Compare the second RUN with the first, of two versions of a series, for example.

    Machine, accelerator, guest, procedure, compiler and base's configuration must be equal;
    otherwise prints the field that differs and exits with 65. With a replay, compares the replay of
    a run that has boots as well.

    \b
    Examples:
      harness compare 20260101T120000-abcdef 20260102T120000-fedcba
      harness compare results/memcpy-streaming/20260101T120000-abcdef … --json
    """
    from harness.judge.runs.run_diff import compare as changes

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
