# SPDX-License-Identifier: GPL-2.0-only
"""`harness verify`: whether base and tip left the same struct pages in the guest."""

from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, print_json
from harness.cli.progress import watching
from harness.errors import EXIT_VERDICT, InputError, RecordError
from harness.host.cache import Cache
from harness.project.project import Project
from harness.record import store
from harness.record.find import find_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.events import Listener
    from harness.memmap.compare import Finder, Verified
    from harness.record.record import BootRun


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@json_option
def verify(run: str | None, as_json: bool) -> None:
    """Compare the struct pages of RUN's boots with base's, pointers by what they point to.

    RUN is a run id, a run's folder or its record.json (default: the newest run that booted). If a
    page differs, prints the members of struct page that do and exits with 1.

    \b
    Examples:
      harness verify
      harness verify 20260101T120000-abcdef --json
    """
    from harness.memmap import read
    from harness.memmap.compare import verify as compare

    project = Project.find()
    record = store.load_boots(find_run(project.results, run, booted=True))
    folder = store.folder_of(project.results, record)
    if not any(boot.memmaps for boot in record.boots):
        raise RecordError(
            "holds no struct pages", where=str(folder), expected="a run on namespaces with map=dev"
        )
    with watching() as listen:
        found = compare(
            record,
            lambda build, number, driver: read.load(folder, build, number, driver),
            _finders(project, record, listen),
        )
    if as_json:
        print_json([{"ok": v.ok, "verified": v} for v in found])
    else:
        for v in found:
            _show(v)
    if not all(v.ok for v in found):
        raise click.exceptions.Exit(EXIT_VERDICT)


def _show(v: "Verified") -> None:
    title = f"{v.build} boot {v.number}, {v.driver}"
    if v.problem:
        click.echo(f"{title}: {v.problem}")
        return
    click.echo(f"{title}: {v.compared} struct pages compared with base, {v.equal} equal")
    for page in v.first:
        click.echo(f"  page {page.page}: {', '.join(page.fields)}")
        click.echo(f"    base {page.base}")
        click.echo(f"    here {page.tip}")


def _finders(project: Project, record: "BootRun", listen: "Listener") -> "Callable[[str], Finder]":
    """Name fields by the debug information of base's own configuration, made when asked for."""

    def find(driver: str) -> "Finder":
        from harness.kernel import configure
        from harness.memmap.compare import finder
        from harness.replay import compare
        from harness.replay.program import objects
        from harness.trees import tree

        # Whichever compiler built the kernels: structures are laid out alike.
        how = configure.recipe(project, project.plan(record.setup.plan).kconfig)
        cache = Cache.default()
        (program,) = objects.programs(
            cache,
            tree.fetch(project, cache, record.subject.tree, listen),
            [objects.Wanted(record.builds[0].commit, "base")],
            how,
            project.series(record.subject.slug).object,
            listen,
        )
        namespaces = project.guest(record.setup.guest).namespaces
        orders = {namespace.driver: namespace.order for namespace in namespaces}
        if driver not in orders:
            raise InputError(
                f"has no namespace for {driver} any more",
                where=f"guests/{record.setup.guest}.yaml",
                expected=f"the guest that run {record.run_id} booted",
            )
        return finder(*compare.layouts(program), orders[driver])

    return find
