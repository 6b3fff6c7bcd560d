# SPDX-License-Identifier: GPL-2.0-only
"""Reads the members of a C structure from an object file's DWARF.

A byte of a struct page is in several members, because of its unions. All of them are returned.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from elftools.common.exceptions import DWARFError, ELFError
from elftools.construct import ConstructError
from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

#: What pyelftools raises for damaged files.
_DAMAGED = (
    *(ELFError, DWARFError, ConstructError, LookupError, TypeError, AttributeError),
    *(OSError, OverflowError, MemoryError, RecursionError, AssertionError, UnicodeError),
)
T = TypeVar("T")
_QUALIFIERS = ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type", "DW_TAG_atomic_type")
_AGGREGATES = ("DW_TAG_structure_type", "DW_TAG_union_type")


class Member(msgspec.Struct, frozen=True):
    """A named member that is not an aggregate, like `_refcount.counter`; `offset` in bytes."""

    name: str
    offset: int
    size: int
    is_pointer: bool = False


class Layout(msgspec.Struct, frozen=True):
    """A structure: its size in bytes and its members by offset."""

    name: str
    size: int
    members: tuple[Member, ...]

    def at(self, offset: int) -> tuple[Member, ...]:
        """Return all members at a byte."""
        return tuple(m for m in self.members if m.offset <= offset < m.offset + m.size)


def structure(file: Path, name: str) -> Layout:
    """Return the layout of `struct <name>`. Raises ValueError if the file does not have it."""

    def layout(die: DIE) -> Layout:
        members = sorted(_members(die, "", 0), key=lambda m: (m.offset, m.name))
        return Layout(name, _number(die, "DW_AT_byte_size"), tuple(members))

    found = _defined(file, "DW_TAG_structure_type", name, layout)
    if found is None:
        raise ValueError(f"{file} does not define struct {name}")
    return found


def enumerators(file: Path, name: str) -> dict[str, int]:
    """Return the values of `enum <name>` in their order; empty if the file does not have it.

    Raises ValueError if the file cannot be read.
    """

    def values(die: DIE) -> dict[str, int]:
        return {_name(one): _number(one, "DW_AT_const_value") for one in die.iter_children()}

    return _defined(file, "DW_TAG_enumeration_type", name, values) or {}


def _defined(file: Path, tag: str, name: str, read: Callable[[DIE], T]) -> T | None:
    """Return what `read` returns for the definition of that tag and name; None if there is none."""
    try:
        with file.open("rb") as handle:
            elf = ELFFile(handle)
            if not elf.has_dwarf_info():
                raise ValueError(f"{file} has no debug information")
            for unit in elf.get_dwarf_info().iter_CUs():
                for die in unit.get_top_DIE().iter_children():
                    declared = "DW_AT_declaration" in die.attributes
                    if die.tag == tag and not declared and _name(die) == name:
                        return read(die)
    except _DAMAGED as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    return None


def _members(die: DIE, path: str, base: int) -> list[Member]:
    """Return the members, descending into aggregates: `lru.next`, not the 16 bytes of `lru`."""
    found: list[Member] = []
    for child in die.iter_children():
        if child.tag != "DW_TAG_member":
            continue
        offset = base + _number(child, "DW_AT_data_member_location")
        own = _name(child)
        name = f"{path}.{own}" if path and own else own or path
        kind = _stripped(child)
        if kind.tag in _AGGREGATES:
            found += _members(kind, name, offset)
        else:
            is_pointer = kind.tag == "DW_TAG_pointer_type"
            found.append(Member(name, offset, _size(kind), is_pointer))
    return found


def _stripped(die: DIE) -> DIE:
    kind = die.get_DIE_from_attribute("DW_AT_type")
    while kind.tag in _QUALIFIERS and "DW_AT_type" in kind.attributes:
        kind = kind.get_DIE_from_attribute("DW_AT_type")
    return kind


def _size(kind: DIE) -> int:
    if kind.tag != "DW_TAG_array_type":
        return _number(kind, "DW_AT_byte_size") or 8  # a pointer's size may be left out
    count = 1
    for dimension in kind.iter_children():
        if "DW_AT_count" in dimension.attributes:
            count *= _number(dimension, "DW_AT_count")
        else:
            count *= _number(dimension, "DW_AT_upper_bound", -1) + 1
    element = _stripped(kind)
    return count * _size(element)


def _number(die: DIE, attribute: str, default: int = 0) -> int:
    found = die.attributes.get(attribute)
    return found.value if found is not None and isinstance(found.value, int) else default


def _name(die: DIE) -> str:
    found = die.attributes.get("DW_AT_name")
    return found.value.decode() if found is not None else ""
