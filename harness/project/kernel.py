# SPDX-License-Identifier: GPL-2.0-only
"""Trees as they are kept, and kernels as they were built."""

import re

import msgspec

#: A compiler's program, on PATH: several versions of one may be there.
COMPILER = re.compile(r"(gcc|clang)(-\d{1,3})?")
#: As the kernel's ARCH= has them, each with the CROSS_COMPILE= that this machine takes.
ARCHITECTURES = {"x86_64": "", "i386": "", "arm64": "aarch64-linux-gnu-"}


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

    Profile `minimal` puts the fragments on allnoconfig; `vng` puts them on `vng --kconfig`. `arch`
    is one of ARCHITECTURES.
    """

    profile: str
    fragments: tuple[Fragment, ...]
    compiler: str
    arch: str = "x86_64"

    @property
    def program(self) -> str:
        """The compiler's program."""
        is_clang = self.compiler.startswith("clang")
        return self.compiler if is_clang else f"{ARCHITECTURES[self.arch]}{self.compiler}"
