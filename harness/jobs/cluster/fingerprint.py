# SPDX-License-Identifier: GPL-2.0-only
"""Which harness this is, so that machines of a cluster can tell whether theirs is the same.

A version number is not enough: what measures is this checkout, with whatever was changed in it.
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
    """Version and Python for people; `source` is a SHA-256, in hex, of all that runs."""

    version: str
    python: str
    source: str

    def __str__(self) -> str:
        return f"memmap-harness {self.version} ({self.source[:12]}) on Python {self.python}"


@functools.cache
def own() -> Fingerprint:
    """Return this harness's. Raises InputError where it has no project to work in."""
    package = Path(harness.__file__).parent
    agent = Project.find().guests_folder / "agent"
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
