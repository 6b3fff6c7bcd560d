# SPDX-License-Identifier: GPL-2.0-only
"""Compares the struct pages that a run's boots left, and names the members that differ."""

from harness.errors import InputError, RecordError
from harness.events import Listener, silent
from harness.host.cache import Cache
from harness.kernel import configure
from harness.memmap import read
from harness.memmap.compare import Verified, verify
from harness.memmap.decode import Decoder
from harness.memmap.struct_pages import role
from harness.project.project import Project
from harness.record import store
from harness.record.record import BootRun
from harness.replay import compare, prepare
from harness.replay.program import objects
from harness.trees import tree


def verify_run(
    project: Project, cache: Cache, record: BootRun, listen: Listener = silent
) -> tuple[Verified, ...]:
    """Compare the struct pages of every boot with base's. Raises RecordError if there are none."""
    folder = store.folder_of(project.results, record)
    if not any(boot.memmaps for boot in record.boots):
        raise RecordError(
            "holds no struct pages", where=str(folder), expected="a run on namespaces with map=dev"
        )
    return verify(
        record,
        lambda build, number, driver: read.load(folder, build, number, driver),
        lambda driver: page_decoder(project, cache, record, driver, listen),
    )


def page_decoder(
    project: Project, cache: Cache, record: BootRun, driver: str, listen: Listener = silent
) -> Decoder:
    """Return the decoder of a driver's struct pages, from the debug information of base's object.

    Raises InputError if the guest has no namespace of the driver any more.
    """
    # The compiler does not matter: all lay structures out alike.
    how = configure.recipe(project, project.plan(record.setup.plan).kconfig)
    series = project.series(record.subject.slug)
    (program,) = objects.programs(
        cache,
        tree.fetch(project, cache, record.subject.tree, listen),
        [objects.Wanted(record.builds[0].commit, "base")],
        how,
        series.object,
        prepare.replay_of(series),
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
    return compare.decoder(program, orders[driver], words=role)
