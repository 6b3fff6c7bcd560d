# SPDX-License-Identifier: GPL-2.0-only
"""Results of cells that were ok, cached under everything that they depend on.

So a killed matrix continues where it was; a change of a patch, a fragment, a guest or this harness
gives a cell another key.
"""

import contextlib
from typing import Any

import msgspec

from harness.guest.qemu import options as qemu
from harness.host import cache as caches
from harness.host.cache import Cache
from harness.host.digest import value_digest
from harness.host.files import replace_file
from harness.host.processes.process import Deadline
from harness.jobs.cluster import fingerprint
from harness.measure.machine import tool_version
from harness.project.kernel import Recipe
from harness.project.matrix_plan import CellResult
from harness.project.project import Project

VERSION_S = 30


class CachedCells:
    """The results in the cache. Constructing it creates nothing."""

    def __init__(self, project: Project, cache: Cache) -> None:
        self._project = project
        self._cache = cache
        self._versions: dict[str, str] = {}

    def key(self, how: Recipe, *depends_on: Any) -> str:
        """Return the key of a cell: a digest of this harness, the programs and the arguments."""
        programs = [self._version(program) for program in (how.program, qemu.PROGRAM)]
        parts = [fingerprint.own().source, programs, how, *depends_on]
        return value_digest(parts)[:24]

    def get(self, key: str) -> CellResult | None:
        """Return an earlier result, if it and the boots that it is about still exist."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            file = self._cache.cells / f"{key}.json"
            found = msgspec.json.decode(file.read_bytes(), type=CellResult)
            if not found.run or (self._project.results / found.run).is_dir():
                caches.used(file)
                return msgspec.structs.replace(found, cached=True)
        return None

    def put(self, key: str, result: CellResult) -> None:
        """Store a result if it is ok; any other is to be tried again."""
        if result.outcome == "ok":
            self._cache.cells.mkdir(parents=True, exist_ok=True)
            replace_file(self._cache.cells / f"{key}.json", msgspec.json.encode(result))

    def _version(self, program: str) -> str:
        if program not in self._versions:
            self._versions[program] = tool_version(self._cache, program, Deadline(VERSION_S))
        return self._versions[program]
