# SPDX-License-Identifier: GPL-2.0-only
"""What a bundle says of itself: its members with their digests, and what it had to leave out."""

import re

import msgspec

# 1: first schema.
SCHEMA = 1
NAME = "MANIFEST.json"
#: Bounds on what is packed and unpacked; a run of 100 GiB namespaces needs a few MiB of each.
MAX_BYTES = 1 << 30
MAX_MANIFEST_BYTES = 4 << 20
#: Names that mean the same everywhere: no way up or out, nothing hidden, nothing like an option.
_PART = r"[A-Za-z0-9_][A-Za-z0-9._+-]*"
_NAME = re.compile(_PART)
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file: its path below the bundle's top folder, its size, and its SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if not is_path(self.path):
            raise ValueError(f"{self.path!r} is no path that a bundle may hold")
        if self.bytes < 0:
            raise ValueError(f"{self.path} has a negative size")


class Absent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something of the run that the bundle does not hold, and why."""

    path: str
    why: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first file of a bundle. `members` are all others, in order."""

    slug: str
    run_id: str
    members: tuple[Member, ...]
    absent: tuple[Absent, ...] = ()
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        for name in (self.slug, self.run_id):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a series or run")
        if self.schema > SCHEMA:
            raise ValueError(f"schema {self.schema} was made by a newer harness")
        if self.schema < 1:
            raise ValueError(f"there was no schema {self.schema}")
        paths = [m.path for m in self.members]
        if paths != sorted(set(paths)) or NAME in paths:
            raise ValueError("members are not in order, or one is there twice")
        for path in paths:
            if path.startswith("results/") and not path.startswith(f"results/{self.slug}/"):
                raise ValueError(f"{path} is no run of {self.slug}")
        if sum(m.bytes for m in self.members) > MAX_BYTES:
            raise ValueError(f"members are more than the {MAX_BYTES >> 20} MiB that are unpacked")

    @property
    def top(self) -> str:
        """The folder that everything lies in, so that unpacking scatters nothing."""
        return f"memmap-harness-{self.run_id}"

    @property
    def run(self) -> str:
        """The run's folder below the top folder."""
        return f"results/{self.slug}/{self.run_id}"


def is_path(text: str) -> bool:
    """Whether a bundle may hold a file of this name."""
    return _PATH.fullmatch(text) is not None


def encode(manifest: Manifest) -> bytes:
    """Return the manifest as it is stored."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode(data: bytes) -> Manifest:
    """Return a manifest from its stored text. Raises ValueError."""
    # msgspec's errors are ValueErrors, and so are those of the checks above.
    return msgspec.json.decode(data, type=Manifest)
