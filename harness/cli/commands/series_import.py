# SPDX-License-Identifier: GPL-2.0-only
"""`harness series import`: copy the claims of mails into series.yaml."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli import printable
from harness.cli.options import as_one, json_option, print_json
from harness.cli.postings import mail_options, posting_of, read_mails, show_problems
from harness.errors import InputError, MachineError
from harness.project.project import Project

if TYPE_CHECKING:
    from harness.claims.claims import UserAnswers
    from harness.claims.importing import Import


class ImportOptions(NamedTuple):
    """The options of `harness series import`."""

    file: str
    answers: "UserAnswers"
    slug: str | None
    base: str | None
    guest: str | None
    title: str | None
    function: str | None
    object_: str | None
    yes: bool
    dry_run: bool
    as_json: bool


@click.command("import", short_help="Import the claims of a mail into series.yaml.")
@click.argument("file", metavar="FILE|MAIL|-")
@click.option("--slug", metavar="S", help="Series it belongs to; created if new.")
@mail_options
@click.option("--base", metavar="TAG", help="Base it was made for.")
@click.option("--guest", metavar="G", help="Guest of guests/ that matches the author's set-up.")
@click.option("--title", metavar="T", help="Title of a new series.")
@click.option("--function", metavar="F", help="Function that a new series changes.")
@click.option(
    "--object", "object_", metavar="O", help="Object file of that function, like mm/mm_init.o."
)
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option("--dry-run", is_flag=True, help="Only show what would be written.")
@json_option
@as_one(ImportOptions)
def import_claims(options: ImportOptions) -> None:
    """Read the claims of a patch mail, an mbox or an archive's page and write them to series.yaml.

    MAIL is a message-id or the URL of a mail, whose series is fetched from the mail archive.

    Shows base, procedure, first bindings, averages and percentages first, and the lines with
    figures that it does not understand. Existing entries and comments of the file stay; a claim
    that contradicts them is refused (exit code 2). --json only shows, unless --yes is given.

    \b
    Examples:
      harness series import cover.mbox
      harness series import https://lore.kernel.org/linux-mm/MESSAGE-ID/
      harness series import page.txt --version 2 --dry-run
      harness series import mails.mbox --slug my-series     a new series
      harness series import - --yes < cover.mbox
    """
    from harness.claims.importing import UserInput, find, texts
    from harness.cli.import_view import document, show, show_changes

    file, as_json = options.file, options.as_json
    posting = posting_of(read_mails(file), file, options.answers)
    wanted = UserInput(
        options.slug,
        options.base,
        options.guest,
        options.title,
        options.function,
        options.object_,
    )
    found = find(Project.find(), posting, wanted)
    if not as_json:
        show(found, posting)
    show_problems(posting, file)
    try:
        before, after = texts(found, posting, file)
    except InputError as refused:
        if as_json:
            print_json(document(found, posting, written=False, refused=str(refused)))
        raise
    if not as_json and after is not None:
        show_changes(before, after, found.path)
    only_show = options.dry_run or (as_json and not options.yes)
    written = not only_show and _is_wanted(found, before, after, file, yes=options.yes)
    if written and after is not None and found.path is not None:
        _write(found.path, before, after)
    if as_json:
        print_json(document(found, posting, written=written))
    elif written:
        click.echo(printable(f"written to {found.path}"))


def _is_wanted(
    found: "Import", before: str | None, after: str | None, file: str, *, yes: bool
) -> bool:
    """Return whether to write; asks on a terminal. Raises InputError if it cannot ask."""
    if after is None:
        raise InputError(f"does not say {', '.join(found.lacking())}", where=file)
    if after == before:
        click.echo(printable(f"{found.path} has all of this already"), err=True)
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InputError(
            "nothing written: standard input is not a terminal",
            where=file,
            hint="add --yes or --dry-run",
        )
    return click.confirm("Write this?", err=True)


def _write(path: Path, before: str | None, after: str) -> None:
    from harness.host.files import replace_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        now = path.read_bytes().decode() if path.exists() else None
        if now != before:
            raise InputError("changed in the meantime", where=str(path), hint="import again")
        replace_file(path.resolve(), after.encode())
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(path)) from error
