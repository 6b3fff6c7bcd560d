# SPDX-License-Identifier: GPL-2.0-only
"""A matrix: which cells of trees, kernel configurations, guests and prefixes are to be tried."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.project.kernel import ARCHITECTURES, COMPILER
from harness.record.record import Check

#: What an object must show beside base's: that it compiles at all; by replay, equal memmaps and
#: equal calls to the rest of the kernel; by disassembly, that the whole series stores past the
#: caches or that it does not (the slow path); that the function is not built with these options.
Show = Literal["compiles", "same", "streams", "plain", "absent"]
#: `each` is all prefixes in one cell: objects are cheap.
Prefix = int | Literal["tip", "each"]
#: ok: everything that the cell is to show was shown. failed: something was shown not to hold, or
#: broke. cannot: this machine, tree or tool has not got what it takes; nothing was tried.
Outcome = Literal["ok", "failed", "cannot"]


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kernel configuration: fragments of configs/kconfig/, and what is different about it.

    `why` is what it is there for. `shows` is for cells without guest, `kernel_options` (the
    kernel's command line) and `page_ref` (the tracepoint page_ref_set is on) for those with one.
    `needs` names Kconfig options that a tree may not have.
    """

    why: str
    kconfig: tuple[str, ...]
    compiler: str = "gcc"
    arch: str = "x86_64"
    shows: tuple[Show, ...] = ("compiles",)
    kernel_options: tuple[str, ...] = ()
    page_ref: bool = False
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not COMPILER.fullmatch(self.compiler):
            raise ValueError(f"compiler: {self.compiler}; expected gcc, clang, gcc-14 or the like")
        if self.arch not in ARCHITECTURES:
            raise ValueError(f"arch: {self.arch}; expected one of {', '.join(ARCHITECTURES)}")
        wrong = set(self.shows) - {"compiles", "absent"}
        if self.arch != "x86_64" and wrong:
            raise ValueError(
                f"shows: {sorted(wrong)[0]} needs arch x86_64; expected compiles or absent"
            )
        _require_entries(self, "kconfig", "shows")


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product of cells. Without `guests` it is about objects: nothing is booted.

    `base` false leaves base out of the boots: enough where a cell is about the series' own kernel
    alone, and half the cost.
    """

    trees: tuple[str, ...]
    kernels: tuple[str, ...]
    guests: tuple[str, ...] = ()
    prefixes: tuple[Prefix, ...] = ("tip",)
    base: bool = True

    def __post_init__(self) -> None:
        _require_entries(self, "trees", "kernels", "prefixes")
        if self.guests and "each" in self.prefixes:
            raise ValueError("prefixes: each is for cells without guest; expected numbers or tip")
        if any(isinstance(prefix, int) and prefix < 1 for prefix in self.prefixes):
            raise ValueError("prefixes: a number below 1; expected 1 or more, tip or each")


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cell; `guest` is empty where objects are all that is looked at."""

    tree: str
    kernel: str
    guest: str
    prefix: Prefix
    base: bool

    @property
    def name(self) -> str:
        """What no other cell of the matrix is called."""
        alone = "" if self.base else " alone"
        return f"{self.tree} {self.kernel} {self.guest or 'object'} {self.prefix}{alone}"


class Matrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A matrix file. `name` is the file's name without `.yaml`; `boot_s` is one boot's deadline.

    `cases` is how many calls a replay compares, beside the plainest ones.
    """

    description: str
    kernels: dict[str, Configuration]
    cells: tuple[Block, ...]
    rebinds: int = 1
    boot_s: int = 900
    cases: int = 100
    name: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.rebinds <= 1000:
            raise ValueError(f"rebinds: {self.rebinds}; expected 1 to 1000")
        for name, value, least in (("boot_s", self.boot_s, 1), ("cases", self.cases, 0)):
            if value < least:
                raise ValueError(f"{name}: {value}; expected {least} or more")
        _require_entries(self, "cells")
        for kernel in (kernel for block in self.cells for kernel in block.kernels):
            if kernel not in self.kernels:
                raise ValueError(
                    f"cells: no kernel {kernel!r}; expected one of {', '.join(self.kernels)}"
                )
        self.expanded()

    def expanded(self, trees: Sequence[str] = ()) -> tuple[Cell, ...]:
        """Return all cells in order; `trees` take the place of each block's, where given.

        Raises ValueError for a cell that two blocks have.
        """
        found: dict[str, Cell] = {}
        for block in self.cells:
            for cell in _cells(block, trees or block.trees):
                # Other trees than the plan's make one cell of what differed in its tree alone.
                if cell.name in found and not trees:
                    raise ValueError(f"cells: {cell.name} given twice; expected each cell once")
                found[cell.name] = cell
        return tuple(found.values())


def _require_entries(owner: object, *names: str) -> None:
    for name in names:
        if not getattr(owner, name):
            raise ValueError(f"{name}: empty; expected one entry or more")


def _cells(block: Block, trees: Sequence[str]) -> list[Cell]:
    return [
        Cell(tree, kernel, guest, prefix, block.base)
        for tree in trees
        for kernel in block.kernels
        for guest in block.guests or ("",)
        for prefix in block.prefixes
    ]


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What trying a cell showed: conditions with what was found, and the run's folder, if any.

    `run` is relative to results/; `note` says what could not be looked at.
    """

    checks: tuple[Check, ...]
    run: str = ""
    note: str = ""


class CellResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of a cell. `exit_code` is the one it asks for; `kept` says it is an earlier run's.

    `reason` is why it is not ok, in a sentence; `detail` has further lines; `note` is what an ok
    cell did not show.
    """

    cell: Cell
    outcome: Outcome
    reason: str = ""
    checks: tuple[Check, ...] = ()
    run: str = ""
    exit_code: int = 0
    detail: str = ""
    note: str = ""
    kept: bool = False


#: What is certain about the series comes before what the machine kept from being shown.
_WORST_FIRST = (70, 2, 3, 1, 65, 69)


def worst(results: Sequence[CellResult]) -> int:
    """Return the exit code that a matrix ends with; 0 where every cell is ok or cannot be."""
    codes = {result.exit_code for result in results if result.outcome == "failed"}
    return next((code for code in _WORST_FIRST if code in codes), 0)
