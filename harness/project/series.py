# SPDX-License-Identifier: GPL-2.0-only
"""A series: its posted versions, ports and variants, without its claims."""

import datetime

import msgspec

#: The only function that can be measured: runs read its pr_debug() line, replays call it.
FUNCTION = "memmap_init_zone_device"


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One posted version; b4 fetches it by the message-id `cover`. None means unknown."""

    version: int
    base: str
    date: datetime.date | None = None
    patches: int | None = None
    cover: str | None = None


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alternative store for `harness replay --store`: a patch on top of a port.

    `cpu` is the flag in /proc/cpuinfo that it needs; `is_tip` marks the series' own store.
    """

    name: str
    cpu: str = ""
    is_tip: bool = False


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series folder; docs/series.md describes the keys of its file.

    `ports` are the bases that `series/<slug>/ports/` has patches for.
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
