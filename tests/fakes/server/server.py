# SPDX-License-Identifier: GPL-2.0-only
"""Sets up the folder of the fake server (ssh beside this file)."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent
OPTIONS = "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro console=tty0"
TEXTS = {
    "/proc/cmdline": OPTIONS,
    "/proc/cpuinfo": "vendor_id : GenuineIntel\ncpu family : 6\nmodel : 106\nmodel name : Xeon\n",
    "/proc/iomem": "00100000-7fffffff : System RAM\n100000000-47fffffff : System RAM\n",
    "/proc/meminfo": "MemTotal:       16777216 kB\n",
    "/proc/mounts": "/dev/sda1 / ext4 rw 0 0\n",
    "/proc/sys/kernel/random/boot_id": "1",
    "/proc/sys/kernel/kexec_load_disabled": "0",
    "/sys/kernel/kexec_loaded": "0",
    "/sys/kernel/security/lockdown": "[none] integrity confidentiality",
    "user": "0",
    "kernel": "Linux 6.1.0-57-amd64 #1 SMP x86_64",
    "release": "6.1.0-57-amd64",
    "cpus": "64",
    "images": "/boot/initrd.img-6.1.0-57-amd64\n/boot/vmlinuz-6.1.0-57-amd64\n",
    "services": "ssh.service loaded active running OpenBSD Secure Shell server\n",
    "programs": "/bin/systemctl\n/bin/tar\n/bin/dd\n",
}


def install(folder: Path, *flaws: str, **texts: str) -> None:
    """Make a server with these flaws and texts, in place of a healthy one's."""
    folder.mkdir(exist_ok=True)
    state = {"found": OPTIONS, "flaws": flaws, "texts": TEXTS | texts}
    (folder / "state.json").write_text(json.dumps(state))


def commands(folder: Path) -> list[str]:
    """Return the commands that the server got."""
    return (folder / "commands").read_text().split("\0")[:-1]
