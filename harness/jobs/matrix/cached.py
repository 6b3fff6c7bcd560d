# SPDX-License-Identifier: GPL-2.0-only
"""Cells that came out well, kept by all that they depend on, so that a killed matrix goes on.

Whatever differs (a patch, a fragment, a guest, this harness itself) makes another cell of it.
"""

import contextlib
from typing import Any

import msgspec

from harness.guest import qemu
from harness.host import cache as caches
from harness.host.cache import Cache
from harness.host.digest import value_digest
from harness.host.files import replace_file
from harness.jobs.cluster import fingerprint
from harness.measure.machine import tool_version
from harness.project.kernel import Recipe
from harness.project.matrix_plan import CellResult
from harness.project.project import Project


class KeptCells:
    """The results in the cache. Constructing it creates nothing."""

    def __init__(self, project: Project, cache: Cache) -> None:
        self._project = project
        self._cache = cache
        self._folder = cache.cells
        self._programs: dict[str, str] = {}

    def key(self, how: Recipe, *depends_on: Any) -> str:
        """Return what a cell is kept by: this harness, the programs, and what else is given."""
        programs = [self._version(program) for program in (how.program, qemu.PROGRAM)]
        parts = [fingerprint.own().source, programs, how, *depends_on]
        return value_digest(parts)[:24]

    def _version(self, program: str) -> str:
        if program not in self._programs:
            self._programs[program] = tool_version(self._cache, program)
        return self._programs[program]

    def get(self, key: str) -> CellResult | None:
        """Return an earlier result, if it is there and so are the boots that it rests on."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            file = self._folder / f"{key}.json"
            found = msgspec.json.decode(file.read_bytes(), type=CellResult)
            if not found.run or (self._project.results / found.run).is_dir():
                caches.used(file)
                return msgspec.structs.replace(found, kept=True)
        return None

    def put(self, key: str, result: CellResult) -> None:
        """Keep a result, unless it is one to try again."""
        if result.outcome == "ok":
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_file(self._folder / f"{key}.json", msgspec.json.encode(result))
