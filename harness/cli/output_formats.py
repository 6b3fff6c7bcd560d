# SPDX-License-Identifier: GPL-2.0-only
"""The output formats of `harness report`, and writing them to a file, stdout or GitHub.

Finds what a format needs beside the conclusion, like the sender and thread of a mail. A format's
module is imported when it is used.
"""

import datetime
import importlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.errors import InputError, MachineError
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.conclude import Conclusion
    from harness.report.formats.mail import Thread
    from harness.report.formats.tested_by import Person

#: Formats that need nothing but the conclusion: module and function under report/formats/.
TEXT_FORMATS = {
    "md": "markdown:markdown",
    "ktap": "ktap:ktap",
    "junit": "junit:junit",
    "kcidb": "kcidb:kcidb",
    "b4": "b4:b4",
    "fastpath": "fastpath:fastpath",
}
FORMATS = ("terminal", "html", "mail", *TEXT_FORMATS)
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
IDENTITY_S = 10


def rendered(
    project: Project, form: str, conclusion: "Conclusion", origin: str, *, verbose: bool = False
) -> bytes:
    """Return a conclusion in one of FORMATS. Prints notes for the user on stderr."""
    if form == "mail":
        return _mail(project, conclusion)
    if form == "terminal":
        return _plain(conclusion, verbose=verbose).encode()
    return _text(form, conclusion, origin).encode()


def _text(form: str, conclusion: "Conclusion", origin: str) -> str:
    if form == "kcidb":
        from harness.report.formats.kcidb import kcidb

        return kcidb(conclusion, origin)
    return text_format(form)(conclusion)


def text_format(form: str) -> "Callable[[Conclusion], str]":
    """Return the function of one of TEXT_FORMATS."""
    module, function = TEXT_FORMATS[form].split(":")
    found: Callable[[Conclusion], str] = getattr(
        importlib.import_module(f"harness.report.formats.{module}"), function
    )
    return found


def _plain(conclusion: "Conclusion", *, verbose: bool) -> str:
    """Return the terminal format, 80 columns wide and without colours."""
    import io

    from rich.console import Console

    from harness.report.terminal.run import terminal

    out = io.StringIO()
    Console(file=out, width=80, highlight=False, no_color=True).print(
        terminal(conclusion, verbose=verbose)
    )
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _mail(project: Project, conclusion: "Conclusion") -> bytes:
    from harness.report.formats.mail import mail
    from harness.report.formats.tested_by import withheld

    person = _person()
    click.echo("set To and Cc yourself; nothing is sent", err=True)
    if reason := withheld(conclusion, person):
        click.echo(printable(f"no Tested-by: {reason}"), err=True)
    now = datetime.datetime.now(datetime.UTC).astimezone().replace(microsecond=0)
    try:
        return mail(conclusion, _thread(project, conclusion), person, now)
    except ValueError as error:
        raise InputError(
            str(error), where="git config user.email", expected="name@domain"
        ) from error


def _person() -> "Person | None":
    """Return git's user.name and user.email; None unless both are set."""
    from harness.git.git import configured
    from harness.host.processes.process import Deadline
    from harness.report.formats.tested_by import Person

    log, deadline = Cache.default().log("identity"), Deadline(IDENTITY_S)
    name, address = (
        configured(key, log=log, deadline=deadline) for key in ("user.name", "user.email")
    )
    return Person(name, address) if name and address else None


def _thread(project: Project, conclusion: "Conclusion") -> "Thread":
    """Return the mail to reply to: the patches' own, or else the cover letter of their version."""
    from harness.report.formats.mail import Thread
    from harness.report.phrases import message_id

    on_trial = conclusion.record.subject
    series = project.series(on_trial.slug)
    own = message_id(conclusion.record)
    posted = next((v for v in series.versions if v.version == on_trial.version), None)
    if posted is None or on_trial.source.startswith("mbox "):
        # The version of an mbox is unknown.
        return Thread(f"[PATCH] {series.title}", own)
    number = "" if posted.version == 1 else f" v{posted.version}"
    count = f" 0/{posted.patches}" if posted.patches else ""
    return Thread(f"[PATCH{number}{count}] {series.title}", own or posted.cover or "")


def put(data: bytes, output: Path | None) -> None:
    """Write atomically to a file, or to standard output.

    Raises InputError if the folder does not exist, MachineError if the file cannot be written.
    """
    if output is None or str(output) == "-":
        click.echo(data, nl=False)
        return
    if not output.parent.is_dir():
        raise InputError(
            f"folder {output.parent} does not exist",
            where="--output",
            expected="a file in a folder",
        )
    try:
        replace_file(output, data)
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(output)) from error


def require_github() -> Path:
    """Return the path of the job's summary. Raises InputError outside a GitHub job."""
    named = os.environ.get(SUMMARY_VARIABLE)
    if not named:
        raise InputError(
            f"{SUMMARY_VARIABLE} is not set",
            where="--github",
            expected="to run in a GitHub Actions job",
        )
    return Path(named)


def write_github(conclusion: "Conclusion") -> None:
    """Append to the job's summary, up to its size limit, and print annotations."""
    from harness.report.formats.github import annotations
    from harness.report.formats.markdown import MAX_BYTES, markdown

    path = require_github()
    try:
        with path.open("ab") as summary:
            room = MAX_BYTES - summary.tell()
            summary.write(markdown(conclusion, room).encode() if room > 0 else b"")
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(path)) from error
    click.echo(annotations(conclusion), nl=False)


def known_origin(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return an origin that KCIDB accepts. Raises InputError."""
    if re.fullmatch(r"[a-z0-9_]+", value) is None:
        raise InputError(
            f"{value!r} is not valid", where="--origin", expected="lower-case letters, digits, _"
        )
    return value
