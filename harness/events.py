# SPDX-License-Identifier: GPL-2.0-only
"""Progress events of a stage, as values. The command line draws them."""

from collections.abc import Callable

import msgspec


class Began(msgspec.Struct, frozen=True, tag=True):
    """A stage, or a long step of it, began: `number` of `of` similar ones."""

    title: str
    number: int = 1
    of: int = 1


class Planned(msgspec.Struct, frozen=True, tag=True):
    """The steps that will follow, by the names of their jobs, in order."""

    steps: tuple[str, ...]


class Advanced(msgspec.Struct, frozen=True, tag=True):
    """Progress of the step that began last: `done` of `total` (None: unknown)."""

    done: int
    total: int | None = None
    text: str = ""


class Note(msgspec.Struct, frozen=True, tag=True):
    """A line that stays on the screen: a sample, or a fallback that was needed."""

    text: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The step that began last ended; `text` summarizes it."""

    text: str


Event = Began | Planned | Advanced | Note | Ended
Listener = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Ignore an event."""
