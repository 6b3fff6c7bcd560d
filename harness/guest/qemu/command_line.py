# SPDX-License-Identifier: GPL-2.0-only
"""Splits a boot's command line into what must be the same for every build. Pure.

Paths differ from boot to boot, so each becomes `PATH`.
"""

import re
from collections.abc import Sequence

import msgspec

PATH = "PATH"
#: An absolute path, at the beginning or after a separator within an option.
_PATH = re.compile(r"(?<![^=,:\s])/[^\s,:]+")
_VARIABLE = re.compile(r"[A-Z_]+=")
_KERNEL, _QEMU = "--kopt=", "--qemu-opt="


class BootCommand(msgspec.Struct, frozen=True):
    """The kernel's options, QEMU's, and all other words, with paths as `PATH`."""

    kernel: tuple[str, ...]
    qemu: tuple[str, ...]
    others: tuple[str, ...]


def boot_command(argv: Sequence[str]) -> BootCommand:
    """Return the parts of an argv of virtme-run, with or without bubblewrap around it."""
    kernel, qemu, others = [], [], []
    for word in argv:
        if word.startswith(_KERNEL):
            kernel.append(word.removeprefix(_KERNEL))
        elif _VARIABLE.match(word):
            continue  # the sandbox's environment has the user's folders
        elif word.startswith(_QEMU):
            qemu.append(_PATH.sub(PATH, word.removeprefix(_QEMU)))
        else:
            others.append(_PATH.sub(PATH, word))
    return BootCommand(tuple(kernel), tuple(qemu), tuple(others))
