# SPDX-License-Identifier: GPL-2.0-only
"""`harness b4-check`: report on the newest run of a mail's series, for `b4 review`."""

import sys
import tempfile
from pathlib import Path

import click

from harness.host.cache import Cache
from harness.project.project import Project
from harness.record import store

#: A patch of a kernel series is kilobytes.
MAX_MAIL_BYTES = 16 << 20
PATCH_ID_S = 10


@click.command("b4-check")
def b4_check() -> None:
    """Print the newest run of the mail on standard input as JSON for `b4 review`.

    The mail is a cover letter or a patch. Runs are matched by message-id, by patch, or by the
    series and version in the subject; prints `[]` if none matches. Nothing is built or run.

    \b
    Examples:
      harness b4-check < cover.eml
      git config b4.review-series-check-cmd '/path/to/.venv/bin/harness b4-check'
    """
    raw = sys.stdin.buffer.read(MAX_MAIL_BYTES)
    project = Project.find()
    found = _newest(project, raw)
    if found is None:
        click.echo("[]")
        return
    from harness.cli.runs import concluded
    from harness.report.formats.b4 import b4

    click.echo(b4(concluded(project, store.load(found), path=found)), nl=False)


def _newest(project: Project, raw: bytes) -> Path | None:
    """Return the folder of the newest run of a mail's series, or None."""
    from harness.judge.runs.mail_to_run import answers
    from harness.series.mails.messages import read_mails

    mail = read_mails(raw)[0]
    if mail.tag is None or mail.is_reply:
        click.echo("standard input is neither a cover letter nor a patch", err=True)
        return None
    patch_id = _patch_id(mail.raw) if mail.tag.number else ""
    series = {slug: project.series(slug) for slug in project.slugs()}
    for folder in reversed(store.runs(project.results)):
        subject = store.on_trial(folder)
        if subject is None or subject.slug not in series:
            continue
        if answers(subject, mail, series[subject.slug], patch_id):
            return folder
    return None


def _patch_id(raw: bytes) -> str:
    """Return git's patch-id of a mailed patch; "" if git finds no patch."""
    from harness.git.git import mailed_patch_id
    from harness.host.processes.process import Deadline

    with tempfile.NamedTemporaryFile() as file:
        file.write(raw)
        file.flush()
        return mailed_patch_id(
            Path(file.name), log=Cache.default().log("b4-check"), deadline=Deadline(PATCH_ID_S)
        )
