# SPDX-License-Identifier: GPL-2.0-only
"""Every form of a report as text, by name: what the tests of all forms have in common."""

import datetime
import functools
import io

from rich.console import Console, RenderableType

from harness.analysis.conclude import Conclusion
from harness.report.b4 import b4
from harness.report.github import annotations
from harness.report.junit import junit
from harness.report.kcidb import kcidb
from harness.report.ktap import ktap
from harness.report.mail import Thread, mail
from harness.report.markdown import markdown
from harness.report.terminal import terminal
from harness.report.tested_by import Person
from tests.unit.conclusions import named

PERSON = Person("Réka Tester", "tester@example.org")
THREAD = Thread("[PATCH v2 0/7] mm: a series", "cover@example.org")
DATE = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def as_mail(conclusion: Conclusion, person: Person | None = PERSON) -> bytes:
    return mail(conclusion, THREAD, person, DATE)


def printed(renderable: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=80, highlight=False, no_color=True).print(renderable)
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
}

CONCLUSIONS = named()


@functools.cache
def made(name: str, form: str) -> str:
    """The report of a conclusion of CONCLUSIONS, made once for all tests."""
    return FORMS[form](CONCLUSIONS[name])
