# SPDX-License-Identifier: GPL-2.0-only
"""Ports of a series: which one is nearest to a tree, and new ones written into series/."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.errors import InputError, MachineError
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.release import order
from harness.project.series import Series
from harness.series.apply import Port
from harness.trees.names import TAG_MARK, file_name

#: Where our own mails come from, none of which was ever sent.
_DOMAIN = "memmap-harness.invalid"


def nearest(project: Project, series: Series, tree: Tree) -> Port:
    """Return the port to carry to a tree: its own, or else the last one before its release.

    Raises InputError where the series has none.
    """
    line = "v" + ".".join(tree.release.split("-")[0].split(".")[:2])
    own = [name for name in (f"v{tree.release}", line, tree.name) if name in series.ports]
    if own:
        return Port(own[0])
    dated = sorted((at, name) for name in series.ports if (at := order(name)) is not None)
    if not dated:
        raise InputError(
            f"no port of {series.slug} to carry",
            where=str(project.series_folder / series.slug / "ports"),
            expected=", ".join(series.ports) or "a port",
            hint="choose with --port, --version or --mbox",
        )
    release = order(tree.release)
    before = [name for at, name in dated if release is not None and at <= release]
    return Port(before[-1] if before else dated[0][1])


def with_ids(mails: Sequence[bytes], slug: str, name: str) -> list[bytes]:
    """Return format-patch's mails as one thread, with message-ids that are always the same."""
    made = []
    for number, mail in enumerate(mails, 1):
        head, blank, body = mail.partition(b"\n\n")
        ids = f"\nMessage-ID: {_id(slug, name, number, len(mails))}"
        if number > 1:
            first = _id(slug, name, 1, len(mails))
            ids += f"\nIn-Reply-To: {first}\nReferences: {first}"
        made.append(head + ids.encode() + blank + body)
    return made


def write(
    project: Project, slug: str, onto: str, names: Sequence[str], mails: Sequence[bytes]
) -> Path:
    """Write a port's patches to series/<slug>/ports/<onto>/, all of them or none.

    Raises InputError where another port is there: it may have been worked on.
    """
    place = project.series_folder / slug / "ports" / file_name(onto.rpartition(TAG_MARK)[2])
    wanted = dict(zip(names, mails, strict=True))
    if place.exists():
        if {p.name: p.read_bytes() for p in place.iterdir()} == wanted:
            return place
        raise InputError(
            "holds another port already",
            where=str(place),
            expected="no port of that name",
            hint="move it away, then export again",
        )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=place.parent.parent, prefix=".port-"))
        try:
            for name, mail in wanted.items():
                (made / name).write_bytes(mail)
            made.chmod(0o755)
            made.rename(place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(place)) from error
    return place


def _id(slug: str, name: str, number: int, total: int) -> str:
    word = file_name(name.rpartition(TAG_MARK)[2])
    return f"<{slug}-{word}-{number}-of-{total}@{_DOMAIN}>"
