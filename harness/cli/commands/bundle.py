# SPDX-License-Identifier: GPL-2.0-only
"""`harness bundle`: a run in one file, to be judged elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.cli.options import json_option, print_json
from harness.cli.runs import concluded
from harness.errors import InputError
from harness.host.cache import Cache
from harness.project.project import Project
from harness.record import store
from harness.record.find import find_run

if TYPE_CHECKING:
    from harness.record.bundle.manifest import Manifest


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="F",
    help="Write to this file (default: memmap-harness-RUN.tar.gz here).",
)
@click.option(
    "--check",
    "checked",
    type=click.Path(path_type=Path),
    metavar="F",
    help="Check that this bundle is unchanged; pack nothing.",
)
@json_option
def bundle(run: str | None, output: Path | None, checked: Path | None, as_json: bool) -> None:
    """Pack the record of RUN with its logs, configurations, claims and page into one file.

    `harness report FILE` judges it on a machine that has only the harness, and refuses a bundle
    with a changed byte. RUN is as for `harness report`. The same run gives the same bytes.

    \b
    Examples:
      harness bundle
      harness bundle 20260101T120000-abcdef -o for-review.tar.gz
      harness bundle --check for-review.tar.gz
      harness report for-review.tar.gz
    """
    if checked is not None:
        if run is not None or output is not None:
            raise InputError("given together with a run or -o", where="--check", expected="a file")
        from harness.record.bundle.unpack import unpack

        with Cache.default().staging() as folder:
            found, _ = unpack(checked, folder)
        _show(checked, found, as_json=as_json)
        return
    project = Project.find()
    written, made = _write(project, find_run(project.results, run), output)
    _show(written, made, as_json=as_json)


def _write(project: Project, path: Path, output: Path | None) -> "tuple[Path, Manifest]":
    from harness.project.bundle_contents import contents
    from harness.record.bundle.archive import write
    from harness.report.page import run_page

    record = store.load(path)
    folder = path if path.is_dir() else path.parent
    conclusion = concluded(project, record, path=folder)
    null = conclusion.null.run_id if conclusion.null else ""
    files, absent = contents(project, Cache.default(), folder, record, null)
    run = f"results/{record.subject.slug}/{record.run_id}"
    page = run_page.page(conclusion, has=lambda name: f"{run}/{name}" in files)
    files[f"{run}/{run_page.NAME}"] = page.encode()
    out = output or Path(f"memmap-harness-{record.run_id}.tar.gz")
    if out.is_dir():
        raise InputError("is a folder", where=f"-o {out}", expected="a file to write")
    return out, write(out, record.subject.slug, record.run_id, files, absent)


def _show(path: Path, found: "Manifest", *, as_json: bool) -> None:
    sha256 = store.digest(path)
    if as_json:
        print_json({"file": str(path), "sha256": sha256, "manifest": found})
        return
    size = sum(member.bytes for member in found.members)
    click.echo(printable(f"{path}: run {found.run_id} of {found.slug}, {len(found.members)} files"))
    click.echo(f"  {size / 2**20:.1f} MiB, packed {path.stat().st_size / 2**20:.1f} MiB")
    click.echo(f"  sha256 {sha256}")
    for missing in found.absent:
        click.echo(printable(f"  without {missing.path}: {missing.why}"))
