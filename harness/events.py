# SPDX-License-Identifier: GPL-2.0-only
"""What a stage tells whoever watches it, as values: the command line draws, tests collect them."""

from collections.abc import Callable

import msgspec


class Began(msgspec.Struct, frozen=True, tag=True):
    """A stage, or one long step of it, began."""

    title: str


class Advanced(msgspec.Struct, frozen=True, tag=True):
    """Progress within the step that began last: `done` of `total` (None: not known)."""

    done: int
    total: int | None = None
    text: str = ""


class Note(msgspec.Struct, frozen=True, tag=True):
    """One line worth keeping on the screen: a sample as it arrives, a fallback that was needed."""

    text: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The step that began last is over; `text` sums it up."""

    text: str


Event = Began | Advanced | Note | Ended
Listener = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Listen to nothing."""
