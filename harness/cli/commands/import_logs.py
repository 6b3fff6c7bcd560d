# SPDX-License-Identifier: GPL-2.0-only
"""`harness import-logs`: kernel logs of another machine as a run."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import chosen_cache, claim_options, json_option
from harness.cli.runs import concluded, show
from harness.errors import InputError
from harness.project.project import DEFAULT_SERIES, Project

if TYPE_CHECKING:
    from harness.claims.letter import RunStatement
    from harness.project.series import Series

_PATH = click.Path(path_type=Path)


class _ManyLogs(click.Command):
    """A command whose options --base and --tip take all words up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words: list[str] = []
        option = ""
        for word in args:
            if word in ("--base", "--tip"):
                option = word
            elif word.startswith("-"):
                option = ""
                words.append(word)
            else:
                words += [option, word] if option else [word]
        return super().parse_args(ctx, words)


@click.command(name="import-logs", cls=_ManyLogs)
@click.option("--base", multiple=True, type=_PATH, metavar="LOG...", help="Logs of base.")
@click.option(
    "--tip", multiple=True, type=_PATH, metavar="LOG...", help="Logs of base with the series."
)
@click.option(
    "--series",
    "named",
    default=DEFAULT_SERIES,
    show_default=True,
    metavar="SERIES[@vN]",
    help="The series, and the posted version whose claims apply (default: that of its ports).",
)
@click.option(
    "--driver",
    "drivers",
    metavar="DRIVER[,DRIVER]",
    help="Driver of the bindings, nd_pmem or dax_pmem, if the logs do not name it; both, in order, "
    "if they were bound in turn.",
)
@claim_options
@json_option
def import_logs(
    base: tuple[Path, ...],
    tip: tuple[Path, ...],
    named: str,
    drivers: str | None,
    claims: "RunStatement",
    as_json: bool,
) -> None:
    """Store kernel logs of another machine as a run of evidence `reported`, and judge it.

    Takes logs of the script that `harness procedure` prints, and any kernel log that has the lines
    of memmap_init_zone_device(): dmesg, journalctl -k (text, JSON or export), syslog, /dev/kmsg,
    serial consoles. A log may hold several boots.

    Logs support or doubt a claim; they do not decide it. The report names what they do not say.

    \b
    Examples:
      harness import-logs --base base-1.log base-2.log --tip tip-1.log tip-2.log
      harness import-logs --base dmesg-base.txt --tip dmesg-tip.txt --driver nd_pmem
      harness import-logs --series memcpy-streaming@v2 --base a.json --tip b.json --json
    """
    from harness.cli.progress import watching
    from harness.jobs.claims import ClaimsRequest, run_claims
    from harness.measure.reported.run import record
    from harness.project import run_claims as stored_claims
    from harness.record import store

    project = Project.find()
    series, version = _series(project, named)
    logs = {"base": base, "tip": tip}
    for name, given in logs.items():
        if not given:
            raise InputError(
                "no log is given", where=f"--{name}", expected="one or more logs per kernel"
            )
    with watching() as listen:
        wanted = ClaimsRequest(series.slug, None, "reproduce", claims)
        own = run_claims(project, chosen_cache(), wanted, listen)
    made = record(project, series, version, logs, _drivers(series, drivers))
    stored_claims.save(store.folder_of(project.results, made), own)
    show(project, concluded(project, made), as_json=as_json)


def _series(project: Project, named: str) -> "tuple[Series, int]":
    """Return the series and the version that a text like memcpy-streaming@v2 names."""
    slug, at, text = named.partition("@")
    project.require_series(slug)
    series = project.measurable_series(slug)
    if not at:
        return series, series.port_of
    for version in series.versions:
        if version.version is not None and text == f"v{version.version}":
            return series, version.version
    known = [v.version for v in series.versions if v.version is not None]
    expected = " or ".join(f"{slug}@v{number}" for number in known)
    raise InputError(f"no version {text!r} of {slug}", where="--series", expected=expected)


def _drivers(series: "Series", text: str | None) -> tuple[str, ...]:
    metrics = series.measured.metrics
    found = tuple(text.split(",")) if text else ()
    if set(found) <= set(metrics) and len(set(found)) == len(found):
        return found
    expected = f"{', '.join(metrics)}, or both separated by a comma"
    raise InputError(f"{text!r} is not a driver", where="--driver", expected=expected)
