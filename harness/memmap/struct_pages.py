# SPDX-License-Identifier: GPL-2.0-only
"""Reads struct pages and makes them comparable between boots.

Addresses of the memmap and the pgmap differ from boot to boot. So a pointer into the memmap is
replaced by its distance from the compound page's head, any other pointer by a number per object, in
order of appearance. Few different pages in long runs remain: gigabytes become some kilobytes.
"""

import hashlib
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

#: Direct map, vmalloc and vmemmap, with four or five levels of page tables. Above are the kernel's
#: image (Documentation/arch/x86/x86_64/mm.rst), two counters in one word, or compound_info's mask.
POINTER_FROM, POINTER_TO = 0xFF00_0000_0000_0000, 0xFFFF_FE00_0000_0000
#: flags is not a pointer, but may have all its upper bits set.
_FLAGS_WORD = 0
#: Bit 0 marks a tail page, since v4.4 (1d798ca3f164).
_TAIL_WORD = 1
#: A page that is on no list points to itself with its second and third word.
_LIST_WORDS = (1, 2)
IN_MEMMAP, ELSEWHERE = np.uint64(1 << 60), np.uint64(2 << 60)
#: An initialized memmap has a handful of each.
_MAX_OBJECTS = 4096
_MAX_DIFFERENT = 1 << 16


class Runs(NamedTuple):
    """A memmap: its different pages as words, and runs of them (which page, how many).

    `digest` is the SHA-256 of all pages in order, with pointers replaced, in hex.
    """

    pages: Words
    which: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    digest: str

    @property
    def nr_pages(self) -> int:
        """Return the number of struct pages."""
        return int(self.lengths.sum())


def memmap_address(words: Words) -> int | None:
    """Return the kernel's address of these struct pages, the first of a namespace, or None.

    Those of the memmap itself are on no list, so they point to themselves.
    """
    first, second = (words[:, w] for w in _LIST_WORDS)
    alone = np.flatnonzero((first == second) & _is_pointer(first))
    if not len(alone):
        return None
    number = int(alone[0])
    own: int = number * words.shape[1] * 8 + _LIST_WORDS[0] * 8
    return int(first[number]) - own


def read(file: BinaryIO, nr_pages: int, size: int, address: int, first: int, chunk: int) -> Runs:
    """Read `nr_pages` struct pages of `size` bytes, starting with number `first`.

    `address` is that of number 0. `chunk` pages are in memory at once. Raises ValueError if the
    file ends early or the memmap is not initialized.
    """
    folded = _Folded(size // 8, address, first)
    done = 0
    while done < nr_pages:
        count = min(chunk, nr_pages - done)
        raw = file.read(count * size)
        if len(raw) != count * size:
            raise ValueError(f"the file ends in struct page {first + done + len(raw) // size}")
        folded.add(np.frombuffer(raw, dtype=np.uint64).reshape(count, -1).copy(), first + done)
        done += count
    return folded.runs()


def role(value: int) -> str:
    """Return what a word says that replaced a pointer; "" for a word that never was one."""
    kind, rest = value >> 60, value & ((1 << 60) - 1)
    if kind == int(ELSEWHERE) >> 60 and rest < _MAX_OBJECTS:
        return f"object {rest + 1} of those outside the memmap"
    if kind == int(IN_MEMMAP) >> 60 and rest < 1 << 56:
        distance = rest - (rest >> 55 << 56)
        return f"{distance} bytes from the head" if distance else "the head"
    return ""


class _Folded:
    """Collects pages as runs."""

    def __init__(self, nr_words: int, address: int, first: int) -> None:
        self._size = nr_words * 8
        self._address = address
        self._head = first
        self._objects: dict[int, int] = {}
        self._known: dict[bytes, int] = {}
        self._which: list[npt.NDArray[np.int64]] = []
        self._lengths: list[npt.NDArray[np.int64]] = []
        self._sha256 = hashlib.sha256()

    def add(self, words: Words, number: int) -> None:
        """Add the pages from `number` on; overwrites `words`."""
        self._replace(words, np.arange(number, number + len(words), dtype=np.int64))
        self._sha256.update(words.tobytes())
        starts = np.flatnonzero((words[1:] != words[:-1]).any(axis=1)) + 1
        starts = np.concatenate(([0], starts))
        different, which = np.unique(words[starts], axis=0, return_inverse=True)
        numbers = np.array([self._number(page.tobytes()) for page in different])
        self._which.append(numbers[which.reshape(-1)])
        self._lengths.append(np.diff(starts, append=len(words)))

    def runs(self) -> Runs:
        pages = np.frombuffer(b"".join(self._known), dtype=np.uint64)
        which, lengths = np.concatenate(self._which), np.concatenate(self._lengths)
        return Runs(
            pages.reshape(len(self._known), -1),
            *_joined(which, lengths),
            self._sha256.hexdigest(),
        )

    def _number(self, page: bytes) -> int:
        if len(self._known) == _MAX_DIFFERENT and page not in self._known:
            raise ValueError(f"more than {_MAX_DIFFERENT} different struct pages: not initialized")
        return self._known.setdefault(page, len(self._known))

    def _replace(self, words: Words, numbers: npt.NDArray[np.int64]) -> None:
        # A chunk may begin within a compound page, whose head was in an earlier chunk.
        heads = np.where(words[:, _TAIL_WORD] & np.uint64(1) == 0, numbers, self._head)
        heads = np.maximum.accumulate(heads)
        self._head = int(heads[-1])
        for column in range(words.shape[1]):
            if column == _FLAGS_WORD:
                continue
            values = words[:, column]
            rows = np.flatnonzero(_is_pointer(values))
            if len(rows):
                values[rows] = self._roles(values[rows], heads[rows])

    def _roles(self, values: Words, heads: npt.NDArray[np.int64]) -> Words:
        """Return replacements of pointers; `heads` are the compound heads of their pages."""
        # Signed, because a page may point to one before its head.
        distance = (values - np.uint64(self._address)).astype(np.int64)
        inside = (distance >= 0) & (distance < 1 << 40)
        roles = np.empty_like(values)
        own = distance[inside] - heads[inside] * self._size
        roles[inside] = IN_MEMMAP | (own.astype(np.uint64) & np.uint64((1 << 56) - 1))
        others, which = np.unique(values[~inside], return_inverse=True)
        roles[~inside] = ELSEWHERE | self._objects_of(others)[which.reshape(-1)]
        return roles

    def _objects_of(self, values: Words) -> Words:
        for value in values.tolist():
            self._objects.setdefault(value, len(self._objects))
        if len(self._objects) > _MAX_OBJECTS:
            raise ValueError(f"pointers to more than {_MAX_OBJECTS} objects: not initialized")
        return np.array([self._objects[value] for value in values.tolist()], dtype=np.uint64)


def _is_pointer(values: Words) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (values >= np.uint64(POINTER_FROM)) & (
        values < np.uint64(POINTER_TO)
    )
    return found


def _joined(
    which: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Join runs of the same page across chunks."""
    starts = np.concatenate(([0], np.flatnonzero(which[1:] != which[:-1]) + 1))
    return which[starts], np.add.reduceat(lengths, starts)
