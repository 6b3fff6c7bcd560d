# SPDX-License-Identifier: GPL-2.0-only
"""~/.config/memmap-harness.yaml: what a user has on this machine, for all checkouts."""

import os
from pathlib import Path

import msgspec

from harness.project.yaml_file import YamlFile

NAME = "memmap-harness.yaml"


class UserFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of the file: paths of the user's clones of the kernel, absolute or below ~."""

    repositories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in self.repositories:
            if not path.startswith(("/", "~")) or not path.isprintable():
                raise ValueError(
                    f"repositories: {path!r}; expected paths that begin with / or ~, like ~/linux"
                )


def place() -> Path:
    """Return the path of the user's file, which need not exist."""
    named = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG base directory specification: a relative path is to be ignored.
    folder = Path(named) if named.startswith("/") else Path.home() / ".config"
    return folder / NAME


def read(path: Path) -> UserFile:
    """Return what the user's file says; without a file, nothing. Raises InputError."""
    if not path.exists():
        return UserFile()
    file = YamlFile.read(path)
    return UserFile() if file.is_empty else file.load(UserFile)
