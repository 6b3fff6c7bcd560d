# SPDX-License-Identifier: GPL-2.0-only
"""Where a series comes from. Pure."""

from pathlib import Path

import msgspec


class MailChoice(msgspec.Struct, frozen=True):
    """Which mails to take: the version in a thread or mbox, from which archive, with fixes."""

    version: int | None = None
    archive: str = ""
    with_fixes: bool = False


class Port(msgspec.Struct, frozen=True, tag=True):
    """Our own implementation for a base: series/<slug>/ports/<base>/."""

    base: str


class Mails(msgspec.Struct, frozen=True, tag=True):
    """An mbox, a maildir or a folder of patches; `version` chooses among several versions.

    `with_fixes` puts fixes that answer the series on top of it, here and in the other sources.
    """

    path: Path
    version: int | None = None
    with_fixes: bool = False


class Posted(msgspec.Struct, frozen=True, tag=True):
    """A posted version of series.yaml, fetched from a mail archive; `archive` as in Message."""

    version: int
    archive: str = ""
    with_fixes: bool = False


class Message(msgspec.Struct, frozen=True, tag=True):
    """The series of a mail, fetched from an archive; without `version`, that of the mail.

    `archive` is the URL of the public-inbox that has it; "" is the user's own, or lore.
    """

    message_id: str
    version: int | None = None
    archive: str = ""
    with_fixes: bool = False


class Commits(msgspec.Struct, frozen=True, tag=True):
    """Commits of the user's repository, by full ids; `base` is an ancestor of `tip`.

    `branch` is the name of the branch that ends in `tip`, "" if unknown: `b4 prep` keeps the cover
    letter by it.
    """

    repository: Path
    base: str
    tip: str
    branch: str = ""


class Merged(msgspec.Struct, frozen=True, tag=True):
    """Two commits of a repository by full ids; `label` is their name in reports.

    It has no patches.
    """

    repository: Path
    base: str
    tip: str
    label: str

    @property
    def tree(self) -> str:
        """The commit that is the tree."""
        return self.base


class Without(msgspec.Struct, frozen=True, tag=True):
    """A commit of a repository, and some that base has reverted, oldest first, by full ids.

    It has no patches; prefix k has the oldest k commits. `label` is how to call the tip.
    """

    repository: Path
    tip: str
    commits: tuple[str, ...]
    label: str

    @property
    def tree(self) -> str:
        """The commit that is the tree; base is made from it."""
        return self.tip


class RebasedSource(msgspec.Struct, frozen=True, tag=True):
    """The mbox that `harness rebase` wrote for a tree, and the name of its patches.

    `version` is the posted version that was rebased; None for any other source.
    """

    path: Path
    label: str
    version: int | None = None


Source = Port | Mails | Posted | Message | Commits | Merged | Without | RebasedSource


def posted_version(source: Source | None) -> int | None:
    """Return the posted version whose claims a source is measured against; None for ours."""
    return source.version if isinstance(source, Posted | RebasedSource) else None
