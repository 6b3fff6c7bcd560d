# SPDX-License-Identifier: GPL-2.0-only
"""Identifies this harness by its sources, so that machines of a cluster can compare theirs.

A version number is not enough: a checkout measures with all its local changes.
"""

import functools
import hashlib
import sys
from importlib import metadata
from pathlib import Path

import msgspec

import harness
from harness.project.project import Project


class Fingerprint(msgspec.Struct, frozen=True):
    """`source` is the SHA-256 of all files that run; `version` and `python` are for people."""

    version: str
    python: str
    source: str

    def __str__(self) -> str:
        return f"memmap-harness {self.version} ({self.source[:12]}) on Python {self.python}"


@functools.cache
def own() -> Fingerprint:
    """Return the fingerprint of this harness. Raises InputError if there is no project."""
    package = Path(harness.__file__).parent
    agent = Project.find().agent_folder
    sha256 = hashlib.sha256()
    for folder in (package, agent):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                name = path.relative_to(folder).as_posix()
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                sha256.update(f"{folder.name}/{name} {content}\n".encode())
    return Fingerprint(
        version=metadata.version("memmap-harness"),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        source=sha256.hexdigest(),
    )
