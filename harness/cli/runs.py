# SPDX-License-Identifier: GPL-2.0-only
"""Stored runs as commands use them: opened by name, concluded, shown on a terminal."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.cli.options import print_json, print_rich
from harness.errors import RecordError
from harness.host.cache import Cache
from harness.project.project import Project
from harness.record import store
from harness.record.find import find_run, reference_run

if TYPE_CHECKING:
    from harness.claims.letter import RunStatement
    from harness.cli.options import KernelOptions
    from harness.judge.conclude import Conclusion
    from harness.judge.rule_syntax import Rule
    from harness.project.run_claims import RunClaims
    from harness.record.record import RunRecord


@contextlib.contextmanager
def opened(run: str | None) -> Iterator[tuple[Project, Path, Path]]:
    """Yield the project to judge a run in, the run's folder or record, and the file it came in.

    A bundle is unpacked as a project of its own, removed when the block ends. Raises RecordError
    if it is damaged.
    """
    from harness.record.bundle import archive

    if run is not None and Path(run).is_file() and archive.looks_like(Path(run)):
        from harness.record.bundle.unpack import unpack

        with Cache.default().staging() as folder:
            manifest, _ = unpack(Path(run), folder)
            yield Project(folder), folder / manifest.run, Path(run)
        return
    project = Project.find()
    path = _run_or_reference(project.results, run)
    yield project, path, path / store.FILE if path.is_dir() else path


def _run_or_reference(results: Path, run: str | None) -> Path:
    """Return the folder of a run, or of the reference run if none is named and none is stored."""
    reference = None if run is not None or store.runs(results) else reference_run(results)
    if reference is None:
        return find_run(results, run)
    machine = store.load(reference).machine
    where = printable(f"{reference.relative_to(results.parent)}, made on {machine.cpu}")
    click.echo(
        f"no run here yet: this is the reference run of the repository ({where}).\n"
        "`harness reproduce` makes one on this machine.\n",
        err=True,
    )
    return reference


def claims_for(
    project: Project, cache: Cache, kernels: "KernelOptions", given: "RunStatement"
) -> "RunClaims | None":
    """Return the claims of a run that begins, and print which they are on stderr."""
    from harness.cli.progress import watching
    from harness.jobs.claims import ClaimsRequest, run_claims

    wanted = ClaimsRequest(kernels.slug, kernels.source, kernels.plan, given)
    with watching() as listen:
        return run_claims(project, cache, wanted, listen)


def concluded(
    project: Project,
    record: "RunRecord",
    rules: "Sequence[Rule]" = (),
    path: Path | None = None,
) -> "Conclusion":
    """Return the conclusion from a record, with its claims and the project's null runs.

    `path` is the run's folder or record, if it is not in its usual place below results/.
    """
    from harness.judge.conclude import conclude
    from harness.project.run_claims import claims_of

    slug = project.measurable_series(record.subject.slug).slug
    nulls = store.null_runs(project.results, slug)
    replay = store.replay_beside(path or store.folder_of(project.results, record))
    return conclude(record, claims_of(project, record, path), nulls, rules, replay)


def show(
    project: Project,
    found: "Conclusion",
    titles: Mapping[str, str] | None = None,
    *,
    as_json: bool,
    path: Path | None = None,
    verbose: bool = False,
) -> None:
    """Print a conclusion on the terminal; `titles` are the titles of a replay's builds.

    `path` is the record's file if it is not in its usual place below results/.
    """
    path = path or store.folder_of(project.results, found.record) / store.FILE
    if as_json:
        from harness.report.formats.json import document

        print_json(document(found, str(path), titles or {}))
        return
    from harness.report.terminal.run import terminal

    print_rich(terminal(found, titles or {}, verbose=verbose))
    click.echo(printable(f"record: {path}"))


def show_replays(
    project: Project,
    found: "Sequence[tuple[Conclusion, Mapping[str, str]]]",
    *,
    as_json: bool,
) -> None:
    """Print the conclusions of a replay per compiler, each with its titles, and compare them."""
    if len(found) == 1:
        show(project, *found[0], as_json=as_json)
        return
    if as_json:
        from harness.judge.runs.compilers import by_compiler
        from harness.report.formats.json import document

        paths = [str(store.folder_of(project.results, one.record) / store.FILE) for one, _ in found]
        replays = [document(one, at, t) for (one, t), at in zip(found, paths, strict=True)]
        print_json({"replays": replays, "compilers": by_compiler([one for one, _ in found])})
        return
    for one, titles in found:
        click.echo(printable(f"\nobjects compiled by {one.record.builds[0].compiler}"))
        show(project, one, titles, as_json=False)
    show_compilers([one for one, _ in found])


def show_compilers(found: "Sequence[Conclusion]") -> None:
    """Print a comparison of several compilers, whose builds were timed in the same rounds."""
    from harness.judge.runs.compilers import by_compiler
    from harness.report import compilers
    from harness.report.terminal.run import grid, text

    compared = by_compiler(found)
    if not compared:  # one of them was interrupted before its first round
        return
    print_rich(grid(compilers.table(compared)))
    for line in compilers.lines(compared):
        print_rich(text(line))


def same_rounds(project: Project, found: "Conclusion") -> "list[Conclusion]":
    """Return a conclusion and those of replays in the same rounds, if they are still stored."""
    from harness.record.record import ReplayRun

    together = [found]
    for run in found.record.same_rounds if isinstance(found.record, ReplayRun) else ():
        # A damaged record of another run must not fail this one, whose report is printed already.
        with contextlib.suppress(RecordError):
            together.append(concluded(project, store.load(find_run(project.results, run))))
    return together
