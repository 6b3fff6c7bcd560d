# SPDX-License-Identifier: GPL-2.0-only
"""Cells that came out well, kept by all that they depend on, so that a killed matrix goes on.

Whatever differs (a patch, a fragment, a guest, this harness itself) makes another cell of it.
"""

import contextlib
import functools
import hashlib
from pathlib import Path
from typing import Any

import msgspec

import harness
from harness.cache import Cache
from harness.inputs import Project
from harness.model.kernel import Recipe
from harness.model.matrix import Result
from harness.records import replace_file
from harness.stages.machine import tool_version
from harness.tools import qemu

FOLDER = "cells"


class KeptCells:
    """The results in the cache. Constructing it creates nothing."""

    def __init__(self, project: Project, cache: Cache) -> None:
        self._project = project
        self._cache = cache
        self._folder = cache.root / FOLDER
        self._programs: dict[str, str] = {}

    def key(self, how: Recipe, *depends_on: Any) -> str:
        """Return what a cell is kept by: this harness, the programs, and what else is given."""
        harness = _harness(self._project.guests_folder / "agent")
        programs = [self._version(program) for program in (how.program, qemu.PROGRAM)]
        parts = [harness, programs, how, *depends_on]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:24]

    def _version(self, program: str) -> str:
        if program not in self._programs:
            self._programs[program] = tool_version(self._cache, program)
        return self._programs[program]

    def get(self, key: str) -> Result | None:
        """Return an earlier result, if it is there and so are the boots that it rests on."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found = msgspec.json.decode((self._folder / f"{key}.json").read_bytes(), type=Result)
            if not found.run or (self._project.results / found.run).is_dir():
                return msgspec.structs.replace(found, kept=True)
        return None

    def put(self, key: str, result: Result) -> None:
        """Keep a result, unless it is one to try again."""
        if result.outcome == "ok":
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_file(self._folder / f"{key}.json", msgspec.json.encode(result))


@functools.cache
def _harness(agent: Path) -> str:
    """A digest of this program and of what it runs inside a guest."""
    sha256 = hashlib.sha256()
    for folder in (Path(harness.__file__).parent, agent):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                sha256.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return sha256.hexdigest()
