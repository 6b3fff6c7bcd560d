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
            raise ValueError("versions: a version given twice; expected each version once")
        if self.port_of not in numbers:
            raise ValueError(f"port_of: {self.port_of}; expected one of the versions {numbers}")
