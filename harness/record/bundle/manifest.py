# SPDX-License-Identifier: GPL-2.0-only
"""A bundle's table of contents: its members with their digests, and the files it had to omit."""

import hashlib
import re
from pathlib import PurePosixPath

import msgspec

# 1: first schema. 2: SHA256SUMS follows the manifest.
SCHEMA = 2
NAME = "MANIFEST.json"
#: What `sha256sum --check` reads in the unpacked folder.
SUMS = "SHA256SUMS"
MAX_MANIFEST_BYTES = 4 << 20
#: Names that mean the same everywhere: no way up or out, nothing hidden, nothing like an option.
_PART = r"[A-Za-z0-9_][A-Za-z0-9._+-]*"
_NAME = re.compile(_PART)
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")


class BundleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file: its path below the bundle's top folder, its size, and its SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path):
            raise ValueError(f"{self.path!r} is not a path that a bundle may hold")


class Absent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the run that the bundle does not hold, and why."""

    path: str
    why: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first file of a bundle. `members` are the run's files, sorted."""

    slug: str
    run_id: str
    members: tuple[BundleFile, ...]
    absent: tuple[Absent, ...] = ()
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        for name in (self.slug, self.run_id):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a series or run")
        if self.schema > SCHEMA:
            raise ValueError(f"schema {self.schema} was made by a newer harness")
        if self.schema < 1:
            raise ValueError(f"there was no schema {self.schema}")
        paths = {member.path for member in self.members}
        folders = {str(p) for path in paths for p in PurePosixPath(path).parents}
        if both := paths & (folders | {NAME, SUMS}):
            raise ValueError(f"{min(both)} names two members")
        for path in paths:
            if path.startswith("results/") and not path.startswith(f"results/{self.slug}/"):
                raise ValueError(f"{path} is not a run of {self.slug}")

    @property
    def top(self) -> str:
        """The folder that holds all members, so that unpacking scatters no files."""
        return f"memmap-harness-{self.run_id}"

    @property
    def run(self) -> str:
        """The run's folder below the top folder."""
        return f"results/{self.slug}/{self.run_id}"


def encode(manifest: Manifest) -> bytes:
    """Return the manifest as it is stored."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode(data: bytes) -> Manifest:
    """Return a manifest from its stored text. Raises ValueError."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise ValueError(f"its {NAME} has {len(data)} bytes")
    # msgspec's errors are ValueErrors, and so are those of the checks above.
    return msgspec.json.decode(data, type=Manifest)


def sums(manifest: Manifest, text: bytes) -> bytes:
    """Return SHA256SUMS for a manifest, whose stored text is `text`, and its members."""
    own = hashlib.sha256(text).hexdigest()
    digests = {NAME: own} | {member.path: member.sha256 for member in manifest.members}
    return "".join(f"{digest}  {path}\n" for path, digest in digests.items()).encode()
