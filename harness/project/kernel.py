# SPDX-License-Identifier: GPL-2.0-only
"""Kernel trees in the cache, and kernels: how to build one, and one that was built."""

import re

import msgspec

#: Names of compilers on PATH, with or without a version.
COMPILER = re.compile(r"(gcc|clang)(-\d{1,3})?")
#: Values of ARCH=, each with its CROSS_COMPILE= on an x86-64 machine.
ARCHITECTURES = {"x86_64": "", "i386": "", "arm64": "aarch64-linux-gnu-"}


class Tree(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kernel tree in the cache repository: one commit, tagged `tree/<name>` and `v<release>`.

    `source` names its origin without a host, like `debian-source 7.2.13-1`.
    """

    name: str
    commit: str
    release: str
    source: str


class Kernel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A built kernel. `folder` is absolute; `build_id` is the linker's SHA-1 over vmlinux, in hex.

    `release` is what `uname -r` prints; `cpu_s` is the build's user and system time;
    `image_sha256` is empty for kernels cached before it was recorded.
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
        """Path of the bootable image."""
        return f"{self.folder}/bzImage"

    @property
    def config(self) -> str:
        """Path of its .config."""
        return f"{self.folder}/config"


class Fragment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Kconfig fragment: its name in configs/kconfig/, and its text."""

    name: str
    text: str


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to configure and compile a kernel from any source.

    Profile `minimal` adds the fragments to allnoconfig, `vng` to `vng --kconfig`.
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
