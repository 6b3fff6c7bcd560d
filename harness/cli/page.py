# SPDX-License-Identifier: GPL-2.0-only
"""Writes the page of a run, and its pictures, for `harness report`."""

import os
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.errors import MachineError
from harness.host.files import replace_file
from harness.record import store

if TYPE_CHECKING:
    from harness.judge.conclude import Conclusion


def write_page(conclusion: "Conclusion", source: Path, output: Path | None) -> None:
    """Write a run's page to `output`; `-` is standard output.

    `source` is the record or bundle. By default the page of a record goes beside it, that of a
    bundle to the working folder, and its path is printed. The page links to the record and its
    logs, and names those that are missing; a bundle's are in the bundle.
    """
    from harness.report.page import run_page

    stored = source.name == store.FILE
    folder = source.parent
    here = folder / run_page.NAME if stored else Path(f"{source.name.partition('.')[0]}.html")
    page = output or here
    text = run_page.page(
        conclusion,
        has=lambda name: stored and (folder / name).is_file(),
        home=urllib.parse.quote(os.path.relpath(folder, page.parent)) + "/",
    )
    if str(page) == "-":
        click.echo(text, nl=False)
        return
    _put(page, text.encode())
    if output is None:
        click.echo(printable(str(page)))


def draw(conclusion: "Conclusion", folder: Path) -> None:
    """Write a run's pictures to `folder` and print their paths."""
    from harness.report.page import plots

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot be created: {error.strerror}", where=str(folder)) from error
    for name, data in plots.draw(conclusion):
        _put(folder / name, data)
        click.echo(printable(str(folder / name)))


def _put(path: Path, data: bytes) -> None:
    try:
        replace_file(path, data, durable=False)
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(path)) from error
