# SPDX-License-Identifier: GPL-2.0-only
"""virtme-ng: the command that boots a kernel on a root folder and runs one script in it.

virtme-run is the half of virtme-ng that takes an argument list; `vng` joins its own into a line
for a shell, where a space in a path would split it.
"""

from collections.abc import Sequence
from pathlib import Path

from harness.host import venv


def command(
    image: Path,
    root: Path,
    script: str,
    *,
    memory_bytes: int,
    cpus: int,
    kvm: bool,
    kernel_options: Sequence[str],
    qemu_options: Sequence[str],
) -> tuple[str, ...]:
    """Return the argv that boots `image`, runs `script` as root and powers off.

    The guest's console and what the script prints both arrive on our outputs. Kernel and QEMU
    options come after virtme-ng's own, so they win.
    """
    argv = [venv.installed("virtme-run"), "--kimg", str(image), "--mods", "none"]
    # Without these two it would wait seconds for a virtiofsd that is not there.
    argv += ["--disable-microvm", "--force-9p"]
    argv += ["--root", str(root), "--cwd", str(root), "--user", "root"]
    argv += ["--memory", f"{memory_bytes >> 20}M", "--cpus", str(cpus)]
    argv += [] if kvm else ["--disable-kvm"]
    argv += ["--verbose", "--show-boot-console", "--script-sh", script]
    # An option may begin with a dash, which only this form lets through.
    argv += [f"--kopt={option}" for option in kernel_options]
    argv += [f"--qemu-opt={option}" for option in qemu_options]
    return tuple(argv)
