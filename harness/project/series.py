# SPDX-License-Identifier: GPL-2.0-only
"""A series on trial as the acting wing knows it: what was posted, never what it promises."""

import datetime

import msgspec

#: The only function that runs measure, by its pr_debug() line; a replay calls it.
FUNCTION = "memmap_init_zone_device"


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One posted version. `cover` is the message-id of the mail b4 fetches it by.

    `date`, `patches` and `cover` are None where they are not known.
    """

    version: int
    base: str
    date: datetime.date | None = None
    patches: int | None = None
    cover: str | None = None


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another way to store, for `harness replay --store`: a patch on top of a port.

    `cpu` is the flag of /proc/cpuinfo that it needs; `is_tip` says the series itself stores so.
    """

    name: str
    cpu: str = ""
    is_tip: bool = False


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series folder. `ports` lists the bases that `series/<slug>/ports/` has patches for.

    `port_of` is the posted version that the ports implement, and so answer to. `non_temporal` says
    that the whole series stores past the caches where base does not: `harness replay --check`
    holds the compiled object to it.
    """

    title: str
    function: str
    object: str
    versions: tuple[Version, ...]
    port_of: int
    non_temporal: bool = False
    variants: tuple[Variant, ...] = ()
    slug: str = ""
    ports: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = [v.version for v in self.versions]
        if len(set(numbers)) != len(numbers):
            raise ValueError("versions names the same version twice")
        if self.port_of not in numbers:
            raise ValueError(f"port_of {self.port_of} is none of the versions")


class Patch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One applied patch: its place in the series, the commit it became, git's patch-id.

    `sha256` is of the patch as it was given: a port's file, or the mail's part of the mbox.
    """

    number: int
    subject: str
    commit: str
    patch_id: str
    sha256: str = ""


class Applied(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series on a tree: base commit and one commit a patch.

    `source` says where the patches came from (`port v7.2`, `v2`, `mbox FILE`); `tags` is the
    prefix of the tags `<tags>/base`, `<tags>/1` … and `<tags>/tip` in the cache repository;
    `message_id` the mail that introduced the series, without brackets, where that is known;
    `attestation` what b4 said of each patch's signatures when it fetched them, empty where nobody
    checked.
    """

    slug: str
    source: str
    tree: str
    release: str
    base: str
    patches: tuple[Patch, ...]
    tags: str
    message_id: str = ""
    attestation: tuple[str, ...] = ()

    @property
    def tip(self) -> str:
        """Commit with the whole series."""
        return self.prefix(len(self.patches))

    def prefix(self, k: int) -> str:
        """Commit of base plus the first `k` patches; 0 is base. Raises IndexError past the end."""
        return self.base if k == 0 else self.patches[k - 1].commit
