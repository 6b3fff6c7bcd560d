# SPDX-License-Identifier: GPL-2.0-only
"""Where a series comes from. Pure."""

from pathlib import Path

import msgspec


class Port(msgspec.Struct, frozen=True, tag=True):
    """Our own implementation for a base: series/<slug>/ports/<base>/."""

    base: str


class Mbox(msgspec.Struct, frozen=True, tag=True):
    """A local mbox; `version` chooses among several versions in it."""

    path: Path
    version: int | None = None


class Posted(msgspec.Struct, frozen=True, tag=True):
    """A posted version, fetched from lore."""

    version: int


class RebasedSource(msgspec.Struct, frozen=True, tag=True):
    """The mbox that `harness rebase` wrote for a tree, and the name of its patches.

    `version` is the posted version that was rebased; None for any other source.
    """

    path: Path
    label: str
    version: int | None = None


Source = Port | Mbox | Posted | RebasedSource


def posted_version(source: Source | None) -> int | None:
    """Return the posted version whose claims a source is measured against; None for ours."""
    return source.version if isinstance(source, Posted | RebasedSource) else None
