# SPDX-License-Identifier: GPL-2.0-only
"""A matrix of trees, kernel configurations, guests and prefixes to try, and its results."""

import itertools
from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.project.kernel import ARCHITECTURES, COMPILER
from harness.record.record import Check

#: What is checked of an object file: it compiles; a replay leaves the same memmaps and makes the
#: same calls as base's; its disassembly has non-temporal stores (streams) or none (plain); the
#: function is not built with these options (absent).
Show = Literal["compiles", "same", "streams", "plain", "absent"]
#: `each` is all prefixes in one cell.
Prefix = int | Literal["tip", "each"]
#: ok: all checks passed. failed: a check or a step failed. cannot: not supported by this machine,
#: tree or tool; nothing was attempted.
Outcome = Literal["ok", "failed", "cannot"]


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kernel configuration of a matrix; docs/series.md describes its keys.

    `shows` is for cells without guest, `kernel_options` and `page_ref` for cells with one.
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
    """The product of its lists, as cells. Without `guests` only objects are checked.

    Without `base` only the series' own kernel boots, at half the cost.
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
    """One cell; `guest` is empty if only objects are checked."""

    tree: str
    kernel: str
    guest: str
    prefix: Prefix
    base: bool

    @property
    def name(self) -> str:
        """A name that no other cell of the matrix has."""
        alone = "" if self.base else " alone"
        return f"{self.tree} {self.kernel} {self.guest or 'object'} {self.prefix}{alone}"


class Matrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A matrix file; docs/series.md describes its keys. `name` is the file's, without `.yaml`."""

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
        self.expanded()

    def expanded(self, trees: Sequence[str] = ()) -> tuple[Cell, ...]:
        """Return all cells in order; `trees` replace each block's, if given.

        Raises ValueError if two blocks have the same cell.
        """
        found: dict[str, Cell] = {}
        for block in self.cells:
            lists = (trees or block.trees, block.kernels, block.guests or ("",), block.prefixes)
            for tree, kernel, guest, prefix in itertools.product(*lists):
                cell = Cell(tree, kernel, guest, prefix, block.base)
                # With `trees`, cells that differed only in their tree become one.
                if cell.name in found and not trees:
                    raise ValueError(f"cells: {cell.name} given twice; expected each cell once")
                found[cell.name] = cell
        return tuple(found.values())


def _require_entries(owner: object, *names: str) -> None:
    for name in names:
        if not getattr(owner, name):
            raise ValueError(f"{name}: empty; expected one entry or more")


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the checks of a cell found, and the run's folder relative to results/, if any.

    `note` says what could not be checked.
    """

    checks: tuple[Check, ...]
    run: str = ""
    note: str = ""


class CellResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of a cell; `cached` if it is from an earlier run.

    `reason` is one sentence on why it is not ok, `detail` has further lines; `note` says what an ok
    cell did not check.
    """

    cell: Cell
    outcome: Outcome
    reason: str = ""
    checks: tuple[Check, ...] = ()
    run: str = ""
    exit_code: int = 0
    detail: str = ""
    note: str = ""
    cached: bool = False


#: Findings about the series come before failures of the machine.
_WORST_FIRST = (70, 2, 3, 1, 65, 69)


def worst(results: Sequence[CellResult]) -> int:
    """Return the exit code of a matrix: 0 if no cell failed."""
    codes = {result.exit_code for result in results if result.outcome == "failed"}
    return next((code for code in _WORST_FIRST if code in codes), 0)
