# SPDX-License-Identifier: GPL-2.0-only
"""Ports of a series: chooses the one for a tree, and writes new ones into series/."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.errors import InputError, MachineError
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.release import order
from harness.project.series import Series
from harness.series.source import Port
from harness.trees.names import TAG_MARK, file_name

#: The domain of our own message-ids; these mails are never sent.
_DOMAIN = "memmap-harness.invalid"


def for_tree(project: Project, slug: str, tree: Tree) -> Port:
    """Return the port made for a tree. Raises InputError when there is none."""
    series = project.series(slug)
    own = _own(series, tree)
    if own is None:
        raise _no_port(project, series, f"no port for {tree.name} ({tree.release})")
    return own


def nearest(project: Project, slug: str, tree: Tree) -> Port:
    """Return the port to rebase onto a tree: its own, else that of the last release before it.

    Raises InputError when no port is named after a release.
    """
    series = project.series(slug)
    own = _own(series, tree)
    if own is not None:
        return own
    dated = sorted((at, name) for name in series.ports if (at := order(name)) is not None)
    if not dated:
        raise _no_port(project, series, f"no port of {slug} to rebase")
    release = order(tree.release)
    before = [name for at, name in dated if release is not None and at <= release]
    return Port(before[-1] if before else dated[0][1])


def _own(series: Series, tree: Tree) -> Port | None:
    """Return the port named after a tree, its release, or the release's first two numbers."""
    line = "v" + ".".join(tree.release.split("-")[0].split(".")[:2])
    names = (f"v{tree.release}", tree.name, line)
    return next((Port(name) for name in names if name in series.ports), None)


def _no_port(project: Project, series: Series, what: str) -> InputError:
    return InputError(
        what,
        where=str(project.series_folder / series.slug / "ports"),
        expected=f"one of {', '.join(series.ports)}" if series.ports else "a port",
        hint="choose with --port, --version or --mbox",
    )


def with_ids(mails: Sequence[bytes], slug: str, name: str) -> list[bytes]:
    """Return the mails of git format-patch as one thread, with reproducible message-ids."""
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

    Raises InputError if another port is there: someone may have worked on it.
    """
    place = project.series_folder / slug / "ports" / file_name(onto.rpartition(TAG_MARK)[2])
    wanted = dict(zip(names, mails, strict=True))
    if place.exists():
        if {p.name: p.read_bytes() for p in place.iterdir()} == wanted:
            return place
        raise InputError(
            "another port is there already",
            where=str(place),
            expected="no port of that name",
            hint="move it elsewhere, then export again",
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
