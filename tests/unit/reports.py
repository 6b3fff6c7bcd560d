# SPDX-License-Identifier: GPL-2.0-only
"""Every report format as text, by name, for the tests of all formats."""

import datetime
import functools
import io
import json

from rich.console import Console, RenderableType

from harness.judge.conclude import Conclusion
from harness.project.matrix_plan import Block, CellResult, Configuration, Matrix
from harness.record.record import Check
from harness.report.formats.b4 import b4
from harness.report.formats.fastpath import fastpath
from harness.report.formats.github import annotations
from harness.report.formats.junit import junit
from harness.report.formats.kcidb import kcidb
from harness.report.formats.ktap import ktap
from harness.report.formats.mail import Thread, mail
from harness.report.formats.markdown import markdown
from harness.report.formats.tested_by import Person
from harness.report.terminal.matrix import document, table
from harness.report.terminal.run import terminal
from tests.unit.conclusions import named

PERSON = Person("Réka Tester", "tester@example.org")
THREAD = Thread("[PATCH v2 0/7] mm: a series", "cover@example.org")
DATE = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def as_mail(conclusion: Conclusion, person: Person | None = PERSON) -> bytes:
    return mail(conclusion, THREAD, person, DATE)


def printed(renderable: RenderableType, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, no_color=True).print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def as_terminal(conclusion: Conclusion) -> str:
    return printed(terminal(conclusion))


FORMS = {
    "terminal.txt": as_terminal,
    "md": markdown,
    "github.txt": annotations,
    "eml": lambda conclusion: as_mail(conclusion).decode(),
    "ktap": ktap,
    "xml": junit,
    "kcidb.json": kcidb,
    "b4.json": b4,
    "fastpath.txt": fastpath,
}

CONCLUSIONS = named()


@functools.cache
def made(name: str, form: str) -> str:
    """Return the report of a conclusion in CONCLUSIONS, cached for all tests."""
    return FORMS[form](CONCLUSIONS[name])


def of_matrix(form: str) -> str:
    """Return the report of a matrix with a cell of every outcome."""
    made = Matrix(
        description="a kernel of every kind",
        name="matrix-quick",
        kernels={
            "default": Configuration("as it is measured", ("guest",), shows=("same", "streams")),
            "kasan": Configuration("no report", ("guest", "kasan"), shows=("plain",)),
        },
        cells=(
            Block(("v7.2",), ("default",), prefixes=("each",)),
            Block(("v7.2",), ("default", "kasan"), ("pmem-1g",)),
            Block(("v7.3",), ("kasan",), ("pmem-1g",), base=False),
        ),
    )
    same, quiet = (
        tuple(Check(f"{build} {what}", ok=True, detail=detail) for build in builds)
        for what, detail, builds in (
            ("same", "as base in 9 calls", ("1", "2", "3")),
            ("quiet", "no report", ("base", "tip")),
        )
    )
    objects, booted, broken, other = made.expanded()
    results = (
        CellResult(objects, "ok", "", same, note="movdir64b was not looked at", cached=True),
        CellResult(booted, "ok", "", quiet, run="matrix/20260101T000000-abcdef"),
        CellResult(broken, "failed", "tip quiet: [red]BUG[/red]", exit_code=1, detail="a\nb"),
        CellResult(other, "cannot", "clang-19 is not installed"),
    )
    if form == "json":
        return json.dumps(document(made, "memcpy-streaming", results), indent=1) + "\n"
    return printed(table(made, "memcpy-streaming", results))
