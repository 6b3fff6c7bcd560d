# SPDX-License-Identifier: GPL-2.0-only
"""The interface of a replay: what the room `replay` knows of the function that it calls. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import msgspec


class Case(Protocol):
    """One call of the function, for a range of struct pages."""

    @property
    def start(self) -> int:
        """Return the first pfn of the range."""

    @property
    def nr(self) -> int:
        """Return the number of struct pages in the range."""

    @property
    def nr_pages(self) -> int:
        """Return how many of them the function initializes: all, or the last ones."""

    @property
    def shift(self) -> int:
        """Return the order of the range's compound pages, 0 for single pages."""

    @property
    def traced(self) -> bool:
        """Return whether only an object built with `Replay.fragments` can run it."""

    @property
    def argument(self) -> str:
        """Return the case as `replay check --case` takes it."""

    def line(self, **more: str | int) -> str:
        """Return the plan line that runs it (shim/main.c); `more` are keys of any function."""

    def on_nodes(self, max_nodes: int) -> "Case":
        """Return the same call on a node that a kernel with so many nodes has."""


class RandomCases(Protocol):
    """Makes random cases."""

    def __call__(self, count: int, seed: int, *, traceable: bool) -> Sequence[Case]:
        """Return `count` cases, the same for equal seeds; with `traceable`, some are `traced`."""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """How a function is called as a process of this machine, and by which calls it is examined.

    `changes` are the functions that a series may change: `function`, or what it calls. `shim` is
    the folder of its C files (replay/shim/replay.h says which). `kinds` are the calls
    that are timed; `of_size` returns that of a kind for so many bytes of memory, and `of_pages` one
    for so many pages from a section boundary. `fixed` and `random_cases` are compared with base,
    `parse_case` reads what a user gives and raises ValueError. `seen_differs` describes in which
    calls to the rest of the kernel (seen_print() of the shim) a build differs from base, "" for
    none.
    """

    function: str
    changes: tuple[str, ...]
    shim: Path
    kinds: tuple[str, ...]
    of_size: Callable[[str, int], Case]
    of_pages: Callable[[str, int], Case]
    fixed: Callable[[], Iterable[Case]]
    random_cases: RandomCases
    parse_case: Callable[[str], Case]
    seen_differs: Callable[[Mapping[str, Any], Mapping[str, Any]], str]
    #: Calls of which each access is checked, by kind.
    stepped: Mapping[str, Case]
    #: Calls of which the memory traffic is counted, by kind: PARTS equal parts, of whole compound
    #: pages.
    counted: Mapping[str, Case]
    #: Calls of several sections, of which the rescheduling points are counted.
    rescheduled: Mapping[str, Case]
    #: Functions of the shim's user side that are called with a pfn where the kernel reads its
    #: struct page, and what the kernel calls them: those of shim/struct_pages.h.
    readers: Mapping[str, str] = MappingProxyType(
        {
            "replay_saw_pageblock": "init_pageblock_migratetype",
            "replay_saw_page_ref": "__page_ref_set",
        }
    )
    #: Fragments of configs/kconfig/ by which more calls to the rest of the kernel are seen, and
    #: what an object is then.
    fragments: tuple[str, ...] = ("page-ref",)
    traceable: str = "page_ref_set traceable"
    #: What is at the start of the shim's room, whose address struct pages may hold.
    room: str


#: The traffic of the middle one is counted, since a call may store its first and last pages in
#: another way.
PARTS = 3


def some_cases(replay: Replay, count: int, seed: int, *, traceable: bool = False) -> list[Case]:
    """Return all fixed cases and `count` random ones."""
    return [*replay.fixed(), *replay.random_cases(count, seed, traceable=traceable)]
