# SPDX-License-Identifier: GPL-2.0-only
"""A boot's command line, taken apart: what must be the same whichever kernel is booted.

Paths name this boot's own folders and images, so they count only by being there.
"""

import re
from collections.abc import Sequence

import msgspec

PATH = "PATH"
#: An absolute path, at the beginning or behind what may stand in front of one in an option.
_PATH = re.compile(r"(?<![^=,:\s])/[^\s,:]+")
_VARIABLE = re.compile(r"[A-Z_]+=")
_KERNEL, _QEMU = "--kopt=", "--qemu-opt="


class BootCommand(msgspec.Struct, frozen=True):
    """Options for the kernel's command line, QEMU's, and all others, with paths as `PATH`."""

    kernel: tuple[str, ...]
    qemu: tuple[str, ...]
    others: tuple[str, ...]


def boot_command(argv: Sequence[str]) -> BootCommand:
    """Take apart the argv that virtme-run was started with, a sandbox's around it included."""
    kernel, qemu, others = [], [], []
    for word in argv:
        if word.startswith(_KERNEL):
            kernel.append(word.removeprefix(_KERNEL))
        elif _VARIABLE.match(word):
            continue  # of the sandbox's environment, which names the user's folders
        elif word.startswith(_QEMU):
            qemu.append(_PATH.sub(PATH, word.removeprefix(_QEMU)))
        else:
            others.append(_PATH.sub(PATH, word))
    return BootCommand(tuple(kernel), tuple(qemu), tuple(others))
