# SPDX-License-Identifier: GPL-2.0-only
"""`harness report`: a run's conclusion in a chosen format, from its record alone."""

from pathlib import Path

import click

from harness.cli import printable
from harness.cli.options import gate_rule, json_option
from harness.cli.output_formats import FORMATS, known_origin
from harness.cli.runs import concluded, opened, same_rounds, show, show_compilers
from harness.errors import InputError
from harness.project.project import Project
from harness.record import store


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="terminal",
    show_default=True,
    help="Format of the report.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to FILE instead of standard output (html: instead of beside the record).",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Only write the page's pictures to DIR, as SVG.",
)
@click.option(
    "--index",
    "site",
    is_flag=False,
    flag_value="",
    metavar="[DIR]",
    help="Only write a site of all runs to DIR (default: results/).",
)
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="RULE",
    help="Report on this rule of `harness judge` as well; may be given again.",
)
@click.option(
    "--github",
    is_flag=True,
    help="In a GitHub job: append to its summary, and print annotations.",
)
@click.option(
    "--origin",
    default="memmap_harness",
    show_default=True,
    metavar="NAME",
    callback=known_origin,
    help="With kcidb: the name of the reporting system.",
)
@click.option("-v", "--verbose", is_flag=True, help="With the terminal's format: show everything.")
@json_option
def report(
    run: str | None,
    form: str,
    output: Path | None,
    plots: Path | None,
    site: str | None,
    gates: tuple[str, ...],
    github: bool,
    origin: str,
    verbose: bool,
    as_json: bool,
) -> None:
    """Show what RUN measured, what was claimed, and what may be concluded.

    RUN is a run id, a run's folder, its record.json or a bundle (default: the newest run, or the
    repository's reference run before there is one). Every format is made from the record alone.

    \b
    Formats:
      terminal  verdicts, a table, exceptions; -v: everything
      html      one page with pictures, every log one click away
      md        GitHub's Markdown, within the size limit of a job's summary
      mail      a reply to the list, for you to check, address and send
      ktap      for `tools/testing/kunit/kunit.py parse`
      junit     JUnit XML
      kcidb     KernelCI's schema 5.3; nothing is submitted
      b4        the output of a check command of `b4 review`
      fastpath  changes relative to base, in the form of Arm's fastpath

    \b
    Examples:
      harness report
      harness report -v
      harness report results/memcpy-streaming/20260101T120000-abcdef --json
      harness report --format mail --output reply.eml
      harness report --format junit --output junit.xml --gate memmap.equal
      harness report --github
      harness report --format html
      harness report --index
      harness report memmap-harness-20260101T120000-abcdef.tar.gz
    """
    from harness.cli import output_formats, page

    if as_json and (form != "terminal" or output is not None):
        raise InputError(
            "given together", where="--json, --format, --output", expected="--json alone"
        )
    if verbose and (form != "terminal" or as_json):
        raise InputError(
            "given together", where="-v, --json, --format", expected="-v with the terminal's format"
        )
    if github:
        output_formats.require_github()
    rules = [gate_rule(text) for text in gates]
    if site is not None:
        _write_site(site, run)
        return
    with opened(run) as (project, path, shown):
        found = concluded(project, store.load(path), rules, path)
        if plots is not None:
            page.draw(found, plots)
        elif form == "html":
            page.write_page(found, shown, output)
        elif form == "terminal" and output is None:
            show(project, found, as_json=as_json, path=shown, verbose=verbose)
            compared = same_rounds(project, found)
            if len(compared) > 1 and not as_json:
                show_compilers(compared)
        else:
            text = output_formats.rendered(project, form, found, origin, verbose=verbose)
            output_formats.put(text, output)
        if github:
            output_formats.write_github(found)


def _write_site(site: str, run: str | None) -> None:
    from harness.cli.progress import watching
    from harness.jobs.site import write_site

    if run is not None:
        raise InputError("shows all runs", where="--index", expected="no RUN")
    project = Project.find()
    with watching() as listen:
        written = write_site(project, Path(site) if site else project.results, listen)
    click.echo(printable(str(written)))
