# SPDX-License-Identifier: GPL-2.0-only
"""A series: its posted versions, ports and variants, without its claims."""

import datetime
import re
from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType

from harness import workloads
from harness.workloads.boot_message import BootMessage
from harness.workloads.boot_message.message import Message
from harness.workloads.workload import Workload

#: As rules and claims name a metric, and the agent a step.
_MESSAGE_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PATCH_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\.patch")


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One posted version; b4 fetches it by the message-id `cover`. None means unknown.

    `copy` is the function by which it copies past the caches.
    """

    version: int | None = None
    base: str | None = None
    date: datetime.date | None = None
    patches: int | None = None
    cover: str | None = None
    copy: str | None = None

    def __post_init__(self) -> None:
        if self.version is None and not self.cover:
            raise ValueError("version: missing; expected a number, or a cover without one")


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alternative store for `harness replay --store`: a patch on top of a port.

    `cpu` is the flag in /proc/cpuinfo that it needs; `is_tip` marks the series' own store.
    """

    name: str
    cpu: str = ""
    is_tip: bool = False


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series folder; docs/series.md describes the keys of its file.

    `ports` are the bases that `series/<slug>/ports/` has patches for. `follow_up` are the files of
    `series/<slug>/follow-ups/<base>/`: our own patches on top of a port, in no posted version.
    `messages` are what workload boot_message measures, by metric. `non_temporal` is whether the
    series stores past the caches; None if unknown.
    """

    title: str
    function: str
    object: str
    versions: tuple[Version, ...]
    port_of: int
    workload: str = workloads.DEFAULT
    messages: Mapping[str, Message] | UnsetType = UNSET
    non_temporal: bool | None = None
    variants: tuple[Variant, ...] = ()
    follow_up: tuple[str, ...] = ()
    slug: str = ""
    ports: tuple[str, ...] = ()

    @property
    def is_setting(self) -> bool:
        """Whether it has no patches: the builds of a plan differ in other things."""
        return bool(self.messages) and not self.ports and not self.versions

    @property
    def measured(self) -> Workload:
        """What runs of the series measure."""
        return workloads.of(self.workload, self.messages or {})

    def __post_init__(self) -> None:
        if self.workload not in workloads.NAMES:
            known = ", ".join(workloads.NAMES)
            raise ValueError(f"workload: {self.workload!r}; expected one of {known}")
        if (self.workload == BootMessage.name) != bool(self.messages):
            raise ValueError(
                f"messages: {len(self.messages or ())} given; expected at least one with workload "
                f"{BootMessage.name}, and none with another"
            )
        for name in self.messages or ():
            if not _MESSAGE_NAME.fullmatch(name):
                raise ValueError(f"messages: {name!r}; expected small letters, digits and _")
        numbers = [v.version for v in self.versions if v.version is not None]
        if len(set(numbers)) != len(numbers):
            raise ValueError("versions: a version given twice; expected each version once")
        if self.port_of not in numbers and (numbers or self.port_of):
            raise ValueError(f"port_of: {self.port_of}; expected one of the versions {numbers}")
        for name in self.follow_up:
            if not _PATCH_FILE.fullmatch(name):
                raise ValueError(f"follow_up: {name!r}; expected a file name like 0001-x.patch")
