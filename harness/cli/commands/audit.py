# SPDX-License-Identifier: GPL-2.0-only
"""`harness audit`: whether the posted figures are consistent."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.cli.options import json_option, print_json
from harness.cli.postings import (
    is_posted,
    mail_options,
    patch_name,
    posting_of,
    read_mails,
    show_problems,
)
from harness.errors import EXIT_VERDICT, InputError
from harness.host import units
from harness.project.project import DEFAULT_SERIES, Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.claims.audit import Audited, AuditResult
    from harness.claims.claims import UserAnswers
    from harness.project.claim import Claim


@click.command()
@click.argument("what", metavar="[SERIES|FILE|MAIL]", default=DEFAULT_SERIES)
@click.option(
    "--mbox", metavar="F", help="Audit these mails, or a saved web page (-: standard input)."
)
@mail_options
@click.option("--all", "show_all", is_flag=True, help="Show consistent figures as well.")
@click.option("--strict", is_flag=True, help="Exit with 1 on any finding.")
@json_option
def audit(
    what: str,
    mbox: str | None,
    answers: "UserAnswers",
    show_all: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Check the figures that SERIES, a mail in FILE, or a posted MAIL claims against each other.

    MAIL is a message-id or the URL of a mail, whose series is fetched from the mail archive.

    Checks that each percentage follows from its means, that each mean can be the mean of that many
    whole milliseconds, that the first binding is the longest, and that the clock is fine enough. A
    finding says what would make the figure right. For each pair of means, prints which percentages
    its digits allow. Exits with 0 in spite of findings unless --strict is given.

    \b
    Examples:
      harness audit                                 all that was posted of memcpy-streaming
      harness audit memcpy-streaming --version 2 --all
      harness audit --mbox patch.txt                a mail that is not imported
      harness audit patch.txt --strict --json
    """
    from harness.claims.audit import audit as look

    claims = _claims(what, mbox, answers)
    found = look(claims)
    findings = [_finding(one.claim, check) for one in found for check in one.findings]
    if as_json:
        print_json({"findings": findings, "claims": found})
    else:
        for one in found:
            _show(one, show_all=show_all)
        checks = sum(len(one.checks) for one in found)
        audited, failed = units.count(len(found), "claim"), units.count(len(findings), "finding")
        click.echo(f"{audited}, {checks} checks: {failed}")
    if strict and findings:
        raise click.exceptions.Exit(EXIT_VERDICT)


def _claims(what: str, mbox: str | None, answers: "UserAnswers") -> "Sequence[Claim]":
    project = Project.find()
    if (
        mbox is None
        and what not in project.slugs()
        and (what == "-" or Path(what).is_file() or is_posted(what))
    ):
        mbox = what
    if mbox is not None:
        posting = posting_of(read_mails(mbox), mbox, answers)
        show_problems(posting, mbox)
        return posting.claims
    if (answers.patch, answers.rebinds, answers.lines) != (None, None, None):
        raise InputError(
            "only for mails", where="--patch, --rebinds, --lines", hint="add --mbox FILE"
        )
    version = answers.version
    project.require_series(what)
    claims = project.claims(what)
    if version is None:
        return claims
    chosen = [claim for claim in claims if claim.version == version]
    if not chosen:
        known = ", ".join(str(n) for n in sorted({claim.version for claim in claims}))
        raise InputError(
            f"version {version} has no claims",
            where=str(project.series_file(what)),
            expected=f"one of {known}" if known else "claims",
        )
    return chosen


def _finding(claim: "Claim", check: "AuditResult") -> dict[str, object]:
    return {
        "version": claim.version or None,
        "metric": claim.metric,
        "after_patch": claim.after_patch,
        "setup": claim.setup,
        "check": check.name,
        "figure": check.figure,
        "said": check.said,
        "hint": check.hint,
    }


def _show(one: "Audited", *, show_all: bool) -> None:
    from harness.project.claim import on_setup

    claim = one.claim
    version = f"v{claim.version} " if claim.version else ""
    result = units.count(len(one.findings), "finding") if one.findings else "consistent"
    about = f"{claim.metric}{on_setup(claim.setup)}, {patch_name(claim.after_patch)}"
    click.echo(printable(f"{version}{about}: {result}"))
    for check in one.checks:
        if check.outcome != "fits" or check.name == "resolution" or show_all:
            mark = {"finding": "!", "unchecked": "?", "fits": " "}[check.outcome]
            click.echo(printable(f"  {mark} {check.figure}: {check.said}"))
            if check.hint:
                click.echo(printable(f"      would need {check.hint}"))
