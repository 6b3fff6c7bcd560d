# SPDX-License-Identifier: GPL-2.0-only
"""An emulated server: Debian with its own kernel on a disk, and sshd on a port of this machine.

The disk is made once, by mmdebstrap from the archive that this machine's apt uses, and cached. Each
server gets a copy, so tests may break it.
"""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import EXIT_INTERRUPTED, HarnessError, MachineError
from harness.guest.qemu import options as qemu
from harness.host.cache import Cache, publish
from harness.host.digest import value_digest
from harness.host.processes import process
from harness.host.processes.process import Deadline

SUITE = "bookworm"
PACKAGES = (
    *("linux-image-cloud-amd64", "openssh-server", "systemd-sysv", "initramfs-tools", "iproute2"),
    *("kexec-tools", "kmod", "ndctl", "udev", "zstd"),
)
#: RAM for the 4 GiB namespaces of plan quick, above 4 GiB. Only what is written to is allocated.
MEMORY = ("-machine", "q35,max-ram-below-4g=1G", "-m", "13G")
DISK = "1500M"
#: A busy machine delays emulated timers (harness.guest.boot). Without net.ifnames=0, udev renames
#: the interface while it is set up.
OPTIONS = "root=/dev/vda ro console=ttyS0 quiet mitigations=off no_timer_check net.ifnames=0"
#: QEMU keeps its translations of an earlier kernel's code after kexec. A write to a page that held
#: code drops them one by one, which took minutes per memmap; a small buffer for them is soon full,
#: and then all are dropped.
ACCELERATOR = "tcg,thread=multi,tb-size=32"
_MAKE_S, _START_S = 1800, 1200
#: Only what a server needs to be reached: emulated, the rest takes minutes.
_TARGET = """\
[Unit]
Requires=ssh.service systemd-remount-fs.service
"""
_SSH = """\
[Unit]
DefaultDependencies=no
Requires=systemd-udevd.service
After=systemd-remount-fs.service systemd-udevd.service
Conflicts=shutdown.target
Before=shutdown.target
[Service]
TimeoutStartSec=infinity
ExecStartPre=
ExecStartPre=/bin/sh /etc/network-up
"""
_NETWORK = """\
modprobe virtio_net
mkdir -p /run/sshd
cd /sys/class/net
for name in e*; do
	ip address add 10.0.2.15/24 dev "$name"
	ip link set "$name" up
done
"""
#: The disk's drivers, in place of all that initramfs-tools would add.
_HOOK = """\
mkdir -p $1/etc/initramfs-tools/conf.d
echo MODULES=list >$1/etc/initramfs-tools/conf.d/lean
printf '%s\\n' virtio_blk virtio_pci ext4 >>$1/etc/initramfs-tools/modules
"""


class Server:
    """A running server. Its folder holds its disk, `bin/ssh`, and `console.log`."""

    def __init__(self, folder: Path, kernel: Path, initramfs: Path, options: str = OPTIONS) -> None:
        """Start the server, with the key and the disk that are in its folder."""
        self.folder = folder
        self.console = folder / "console.log"
        self.bin = folder / "bin"
        self._monitor = folder / "monitor"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._add_ssh(port)
        argv = [qemu.PROGRAM, *MEMORY, "-accel", ACCELERATOR, "-cpu", "Icelake-Server"]
        argv += ["-smp", "1", "-nodefaults", "-no-user-config", "-display", "none"]
        argv += ["-kernel", str(kernel), "-initrd", str(initramfs), "-append", options]
        argv += ["-serial", f"file:{qemu.value(str(self.console))}"]
        argv += ["-monitor", f"unix:{qemu.value(str(self._monitor))},server,nowait"]
        argv += ["-drive", f"file={qemu.value(str(folder / 'disk'))},format=raw,if=virtio"]
        argv[-1] += ",cache=unsafe"
        argv += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"]
        argv += ["-device", "virtio-net-pci,netdev=net,id=nic", "-device", "virtio-rng-pci"]
        with (folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _add_ssh(self, port: int) -> None:
        """Write a program `ssh` that knows how `server` is reached."""
        options = ["HostName=127.0.0.1", f"Port={port}", f"IdentityFile={self.folder / 'key'}"]
        options += ["StrictHostKeyChecking=no", f"UserKnownHostsFile={self.folder / 'known'}"]
        words = [word for option in options for word in ("-o", option)]
        program = self.bin / "ssh"
        program.parent.mkdir(exist_ok=True)
        argv = [shutil.which("ssh") or "ssh", "-F", "/dev/null", *words]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
        program.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of programs that connect to the server."""
        return os.environ | {"PATH": f"{self.bin}:{os.environ['PATH']}"}

    def run(self, command: str, seconds: float = 120) -> str | None:
        """Return what a command prints on the server, None if it fails or does not end."""
        argv = [str(self.bin / "ssh"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=60"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                [*argv, "root@server", command],
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
            if done.returncode == 0:
                return done.stdout
        return None

    def wait(self) -> None:
        """Return once root can log in. Raises MachineError."""
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._process.poll() is None:
            if self.run("true") is not None:
                return
            time.sleep(2)
        raise MachineError("the emulated server does not answer", where=str(self.console))

    def plug(self, *, in_: bool) -> None:
        """Plug the network cable in or out."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._monitor))
            monitor.sendall(f"set_link nic {'on' if in_ else 'off'}\n".encode())
            time.sleep(1)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def disk(cache: Cache) -> Path:
    """Return a folder with disk, kernel, initramfs and key, from the cache or made."""
    made_from = (SUITE, PACKAGES, DISK, _TARGET, _SSH, _NETWORK, _HOOK)
    folder = cache.roots / f"server-{value_digest(made_from)[:12]}"
    if not folder.is_dir():
        with cache.staging() as work:
            _make(cache, work)
            shutil.rmtree(work / "root")
            publish(work, folder)
    return folder


def _make(cache: Cache, work: Path) -> None:
    log, deadline = cache.log("server-disk"), Deadline(_MAKE_S)
    root = work / "root"
    path = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    argv = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    argv += [f"--essential-hook={_HOOK}", SUITE, str(root)]
    process.run(argv, log=log, deadline=deadline, env=path)
    key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(work / "key")]
    process.run(key, log=log, deadline=deadline)
    texts = {
        "root/.ssh/authorized_keys": (work / "key.pub").read_text(),
        "etc/network-up": _NETWORK,
        "etc/hostname": "server\n",
        "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
        "etc/systemd/system/server.target": _TARGET,
        "etc/systemd/system/ssh.service.d/server.conf": _SSH,
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "root/.ssh").chmod(0o700)
    (root / "etc/systemd/system/default.target").symlink_to("server.target")
    for name in ("vmlinuz", "initrd.img"):
        (found,) = (root / "boot").glob(f"{name}-*")
        shutil.copyfile(found, work / name)
    argv = ["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(work / "disk"), DISK]
    process.run(argv, log=log, deadline=deadline, env=path)


@contextlib.contextmanager
def running(cache: Cache, folder: Path, options: str = OPTIONS) -> Iterator[Server]:
    """Start a server in a folder, wait until root can log in, and end it afterwards."""
    made = disk(cache)
    for name in ("disk", "key"):
        shutil.copyfile(made / name, folder / name)
    (folder / "key").chmod(0o600)
    server = Server(folder, made / "vmlinuz", made / "initrd.img", options)
    try:
        server.wait()
        yield server
    finally:
        server.end()


def main(command: Sequence[str]) -> int:
    """Run a command while a server answers as root@server; return its exit code."""
    cache = Cache.default()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with cache.staging() as folder, running(cache, folder) as server:
            print(f"server: console is {server.console}", file=sys.stderr)
            return subprocess.run(command, env=server.environment, check=False).returncode
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
