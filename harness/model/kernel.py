# SPDX-License-Identifier: GPL-2.0-only
"""Trees as they are kept, and kernels as they were built."""

import msgspec


class Tree(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kernel tree in the cache repository: one commit, tagged `tree/<name>` and `v<release>`.

    `source` tells where it came from, without any host: `debian-source 7.2.13-1`, say.
    """

    name: str
    commit: str
    release: str
    source: str


class Kernel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A built kernel. Paths are absolute; `build_id` is the linker's SHA-1 over vmlinux, in hex.

    `release` is what `uname -r` prints; `cpu_s` is what the build took, user and system, in
    seconds of this machine; `image_sha256` is empty for kernels that were kept without.
    """

    key: str
    commit: str
    release: str
    build_id: str
    config_sha256: str
    compiler: str
    profile: str
    fragments: tuple[str, ...]
    folder: str
    cpu_s: float
    wall_s: float
    image_sha256: str = ""

    @property
    def image(self) -> str:
        """The bootable image."""
        return f"{self.folder}/bzImage"

    @property
    def config(self) -> str:
        """The .config it was built with."""
        return f"{self.folder}/config"


class Fragment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Kconfig fragment: the name it has under configs/kconfig/, and its text."""

    name: str
    text: str


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a kernel is configured and compiled, whatever its source.

    Profile `minimal` puts the fragments on allnoconfig; `vng` puts them on `vng --kconfig`.
    """

    profile: str
    fragments: tuple[Fragment, ...]
    compiler: str
