# SPDX-License-Identifier: GPL-2.0-only
"""Names and decodes what differs between two struct pages of ZONE_DEVICE at one place. Pure.

A byte of struct page has many names, because of its unions. The name that is given is the one that
a ZONE_DEVICE page of that kind (head or single page, second page, other tail) uses there.
"""

import re
from collections.abc import Callable, Iterator, Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from harness.memmap.struct_layout import Layout, Member

Bytes = npt.NDArray[np.uint8]
#: Returns what a word of 8 bytes points to or encodes; "" if it is only a number.
Words = Callable[[int], str]

_OF_HEAD = ("flags", "pgmap", "zone_device_data", "mapping", "share", "private")
_OF_TAIL = ("flags", "compound_info", "compound_head", *_OF_HEAD[1:])
_COUNTERS = ("_mapcount", "_refcount")
#: struct folio's names for what all tails have; struct page's are used.
_AS_IN_ALL_TAILS = re.compile(r"_(flags|head|mapcount|refcount|usable)_\d+")
#: `replay_NAME_shift` and `replay_NAME_width` of the shim's kernel side (kernel.h).
_PART = re.compile(r"replay_(\w+)_shift")


class FlagsLayout(msgspec.Struct, frozen=True):
    """The parts of page->flags by name (shift and width in bits), and the names of its flags."""

    parts: Mapping[str, tuple[int, int]] = {}
    names: Mapping[int, str] = {}


def flags_layout(parts: Mapping[str, int], flags: Mapping[str, int]) -> FlagsLayout:
    """Return the layout from the enumerators of `enum replay_flags` and `enum pageflags`."""
    named = [(match[1], shift) for name, shift in parts.items() if (match := _PART.fullmatch(name))]
    found = {name: (shift, parts.get(f"replay_{name}_width", 0)) for name, shift in named}
    names: dict[int, str] = {}
    for name, bit in flags.items():
        if not name.startswith("__"):
            names.setdefault(bit, name)
    return FlagsLayout({name: part for name, part in found.items() if part[1]}, names)


class Decoder(msgspec.Struct, frozen=True):
    """Decodes struct pages of compounds of `order`; page `first` is the first head."""

    page: Layout
    folio: Layout
    order: int
    first: int = 0
    flags: FlagsLayout = FlagsLayout()
    words: Words = lambda _: ""

    def member(self, number: int, offset: int) -> Member | None:
        """Return the member that page `number` of the memmap uses at a byte; None for padding."""
        place = (number - self.first) % (1 << self.order)
        own = self.page.at(offset)
        if place == 1:
            # struct folio repeats struct page's members with names that begin with page or __page.
            of_folio = [
                m
                for m in self.folio.at(self.page.size + offset)
                if not m.name.startswith(("page.", "__page"))
                and not _AS_IN_ALL_TAILS.fullmatch(_short(m))
            ]
            if of_folio:
                found = min(of_folio, key=lambda m: m.size)
                return msgspec.structs.replace(found, offset=found.offset - self.page.size)
        known = own if place else (*own, *self.folio.at(offset))
        for name in (*(_OF_TAIL if place else _OF_HEAD), *_COUNTERS):
            for member in known:
                if _short(member) == name:
                    return member
        return max(own, key=lambda m: m.size, default=None)

    def differences(
        self, number: int, base: Bytes, build: Bytes, before: Bytes | None = None
    ) -> tuple[str, ...]:
        """Return a line per member that differs: its name, the build's value, and base's.

        `before` is what the page held before the call, if known.
        """
        if before is not None and np.array_equal(build, before):
            return ("not initialized: the page is as it was before the call",)
        if before is not None and np.array_equal(base, before):
            return ("written, expected to be left as it was before the call",)
        lines: dict[str, None] = {}
        for offset in np.flatnonzero(base != build):
            member = self.member(number, int(offset))
            if member is None:
                lines["padding differs"] = None
                continue
            at = slice(member.offset, member.offset + member.size)
            unwritten = before is not None and np.array_equal(build[at], before[at])
            values = tuple(int.from_bytes(page[at].tobytes(), "little") for page in (base, build))
            lines |= dict.fromkeys(self._lines(member, *values, unwritten=unwritten))
        return tuple(lines)

    def _lines(self, member: Member, base: int, build: int, *, unwritten: bool) -> Iterator[str]:
        name = _short(member)
        if unwritten:
            yield f"{name}: not written, expected {self._value(member, base)}"
        elif name == "flags" and self.flags.parts:
            yield from self._flags(base, build)
        else:
            yield f"{name}: {self._value(member, build)}, expected {self._value(member, base)}"

    def _flags(self, base: int, build: int) -> Iterator[str]:
        rest = base ^ build
        for name, (shift, width) in self.flags.parts.items():
            mask = (1 << width) - 1
            ours, theirs = (base >> shift) & mask, (build >> shift) & mask
            if ours != theirs:
                yield f"flags: {name} {theirs}, expected {ours}"
            rest &= ~(mask << shift)
        for bit in range(64):
            if rest >> bit & 1:
                state = ("clear, expected set", "set, expected clear")[build >> bit & 1]
                yield f"flags: {self.flags.names.get(bit, f'bit {bit}')} {state}"

    def _value(self, member: Member, value: int) -> str:
        name = _short(member)
        if name in ("compound_info", "compound_head"):
            return self._tail(value)
        if member.size == 4:
            return str(value - (value >> 31 << 32))
        if not value:
            return "NULL" if member.is_pointer else "0"
        return self.words(value) or (str(value) if value < 1 << 16 else f"{value:#x}")

    def _tail(self, value: int) -> str:
        """Return what a tail's word says of its head: its address, or a mask (since v7.1)."""
        if not value & 1:
            return f"no tail ({self.words(value) or hex(value)})"
        if head := self.words(value - 1):
            return f"tail of {head}"
        low = (value - 1) & -(value - 1)
        page = self.page.size
        if low >= page and value - 1 == (1 << 64) - low:
            return f"tail of a compound page of order {(low // page).bit_length() - 1}"
        return f"{value:#x}"


def _short(member: Member) -> str:
    """Return a member's name without the wrapper's: `_refcount` for `_refcount.counter`."""
    return member.name.removesuffix(".counter").removesuffix(".f")
