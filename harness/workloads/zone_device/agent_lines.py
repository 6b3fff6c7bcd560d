# SPDX-License-Identifier: GPL-2.0-only
"""The lines of the agent's report about namespaces, and about what is timed in them. Pure."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec


class SiteLine(msgspec.Struct, frozen=True, tag_field="is", tag="site"):
    """The pr_debug() site's line in dynamic_debug/control; empty if there is none."""

    text: str


class TracepointLine(msgspec.Struct, frozen=True, tag_field="is", tag="tracepoint"):
    """The page_ref_set tracepoint: absent, 0 or 1."""

    state: str


class AgentNamespace(msgspec.Struct, frozen=True):
    """A namespace as `ndctl list` shows it; `map` is missing for a raw one."""

    dev: str
    mode: str
    size: int
    map: str = ""
    align: int = 0


class NamespaceLine(msgspec.Struct, frozen=True, tag_field="is", tag="namespace"):
    """A namespace that is rebound, as ndctl and sysfs show it; `sysfs_size` is its raw size."""

    driver: str
    device: str
    listed: tuple[AgentNamespace, ...] | None
    sysfs_mode: str
    sysfs_align: str
    sysfs_size: str = ""


class EventsLine(msgspec.Struct, frozen=True, tag_field="is", tag="events"):
    """The page_ref_set events of a binding that set a struct page's count to 1.

    `index` counts a driver's bindings from 0.
    """

    driver: str
    index: int
    count: int


class ProbeLine(msgspec.Struct, frozen=True, tag_field="is", tag="probe"):
    """A line of the trace of a binding: a call of the function begins or ends."""

    driver: str
    index: int
    text: str


LINE_TYPES = (SiteLine, TracepointLine, NamespaceLine, EventsLine, ProbeLine)
L = TypeVar("L", bound=msgspec.Struct)


def of_type(lines: Iterable[msgspec.Struct], kind: type[L]) -> tuple[L, ...]:
    """Return the lines of one type, in order."""
    return tuple(line for line in lines if isinstance(line, kind))


def only(lines: Iterable[msgspec.Struct], kind: type[L]) -> L | None:
    """Return the one line of a type; None unless there is exactly one."""
    found = of_type(lines, kind)
    return found[0] if len(found) == 1 else None
