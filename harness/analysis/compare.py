# SPDX-License-Identifier: GPL-2.0-only
"""What must be equal before two sides, or two records, may be compared."""

import msgspec


class Pin(msgspec.Struct, frozen=True):
    """Something that must be equal: its value on base and on the other side."""

    name: str
    base: str
    tip: str
    equal: bool


class SymbolSize(msgspec.Struct, frozen=True):
    """A symbol whose size in the kernel changed, in bytes; None where a side does not have it."""

    name: str
    base_bytes: int | None
    tip_bytes: int | None


class Identity(msgspec.Struct, frozen=True):
    """What shows that base and one side differ in the series alone.

    `files` are those that differ between the two commits; `symbols` those whose size changed;
    `config_diff` are the lines of .config that differ, `-` base's and `+` the side's. None of
    these where an old record does not say.
    """

    side: str
    pins: tuple[Pin, ...]
    files: tuple[str, ...] | None = None
    symbols: tuple[SymbolSize, ...] | None = None
    config_diff: tuple[str, ...] | None = None

    @property
    def ok(self) -> bool:
        """Whether everything pinned is equal."""
        return all(pin.equal for pin in self.pins)
