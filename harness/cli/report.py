# SPDX-License-Identifier: GPL-2.0-only
"""`harness report`: a run record to a table and verdicts, with nothing run again."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import records
from harness.cli.options import json_option, print_json
from harness.errors import RecordError
from harness.inputs import Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.judge import Verdict
    from harness.model.record import RunRecord


@click.command(short_help="Show the table and verdicts of a run record.")
@click.argument("run", required=False, metavar="[RUN]")
@json_option
def report(run: str | None, as_json: bool) -> None:
    """Show what RUN measured, what was claimed, and what may be concluded.

    RUN is a run id, a run's folder or its record.json; the newest run where it is left out.

    \b
    Examples:
      harness report
      harness report results/memcpy-streaming/20260101T120000-abcdef --json
    """
    project = Project.find()
    record = records.load(found_run(project, run))
    if record.evidence == "replay":
        from harness.cli.replay import show as show_replay

        show_replay(project, record, {}, as_json=as_json)
    else:
        show(project, record, as_json=as_json)


def show(project: Project, record: "RunRecord", *, as_json: bool) -> "Sequence[Verdict]":
    """Print the report of a record and return its verdicts."""
    from harness.analysis.conclude import conclude

    claims = project.claims(record.subject.slug)
    verdicts = conclude(record, claims, nulls_for(project, record)).verdicts
    path = records.folder_of(project.results, record) / records.FILE
    if as_json:
        from harness.report.document import document

        print_json(document(record, str(path), verdicts))
    else:
        from rich.console import Console

        from harness.report.terminal import table

        console = Console(highlight=False)
        console.print(table(record, verdicts))
        console.print(f"record: {path}", markup=False, soft_wrap=True)
    return verdicts


def nulls_for(project: Project, record: "RunRecord") -> "list[RunRecord]":
    """Return the runs of base against base that might be held against a run."""
    found = []
    for folder in records.runs(project.results, record.subject.slug):
        with contextlib.suppress(RecordError):
            if records.is_null(folder):
                found.append(records.load(folder))
    return found


def found_run(project: Project, run: str | None, *, of_guests: bool = False) -> Path:
    """Return where a run's record is; the newest (that booted guests) where `run` is None.

    A run of base against itself is taken only where it is named, or there is no other.
    """
    if run is None:
        newest = records.newest(project.results)  # which says so where there is none at all
        return _newest(project, of_guests=of_guests) or newest
    named = Path(run)
    if named.exists():
        return named
    matching = [folder for folder in records.runs(project.results) if folder.name == run]
    return matching[0] if matching else named


def _newest(project: Project, *, of_guests: bool) -> Path | None:
    """The newest run that is no null run, of guests where that is asked."""
    for folder in reversed(records.runs(project.results)):
        with contextlib.suppress(RecordError):
            if records.is_null(folder):
                continue
            if not of_guests or records.load(folder).evidence != "replay":
                return folder
    return None
