# SPDX-License-Identifier: GPL-2.0-only
"""The command of virtme-ng that boots a kernel on a root folder and runs a script in it.

virtme-run takes an argument list; `vng` joins its arguments for a shell, where a space in a path
would split them.
"""

from collections.abc import Sequence
from pathlib import Path

from harness.host.processes import venv


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

    The console and the script's output go to its own outputs. Kernel and QEMU options come after
    virtme-ng's own, so they take precedence.
    """
    argv = [venv.installed("virtme-run"), "--kimg", str(image), "--mods", "none"]
    # Else it waits seconds for a virtiofsd that is not there.
    argv += ["--disable-microvm", "--force-9p"]
    argv += ["--root", str(root), "--cwd", str(root), "--user", "root"]
    argv += ["--memory", f"{memory_bytes >> 20}M", "--cpus", str(cpus)]
    argv += [] if kvm else ["--disable-kvm"]
    argv += ["--verbose", "--show-boot-console", "--script-sh", script]
    # With `=`, because an option may begin with a dash.
    argv += [f"--kopt={option}" for option in kernel_options]
    argv += [f"--qemu-opt={option}" for option in qemu_options]
    return tuple(argv)
