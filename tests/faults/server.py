# SPDX-License-Identifier: GPL-2.0-only
"""Servers that fail while they are measured over ssh, by a fake ssh."""

import shutil

from tests.fakes.server import server
from tests.faults.scene import FAKES, Ended, Scene
from tests.faults.table import Provocation, fault

QUICK = """\
import harness.measure.metal.one_boot as boot
boot._POLL_S, boot.RESTART_S, boot.commands.WATCHDOG_S = 0.01, 1, 1
"""


def flawed(*names: str, **texts: str) -> Provocation:
    """Return a provocation that measures on a server with these flaws and texts."""

    def provoke(scene: Scene) -> Ended:
        folder = scene.folder / "server"
        server.install(folder, *names, **texts)
        scene.env["MEMMAP_HARNESS_FAKE_SERVER"] = str(folder)
        scene.program("ssh", f'exec {FAKES}/server/ssh "$@"')
        # Only put into the measured kernel's root, which the fake server does not start.
        shutil.copy("/bin/true", scene.bin / "kexec")
        scene.plan(boot_s=1)
        arguments = ("measure", "test", "--plan", "quick", "--on", "ssh://root@server")
        return scene.harness(*arguments, patience=QUICK)

    return provoke


fault(
    "server-unreachable",
    "ssh does not reach the server",
    69,
    r"ssh://root@server: ssh failed: ssh: connect to host \S+ port 22: Connection refused",
    "none",
    quick=True,
)(flawed("dead"))
fault(
    "server-secure-boot",
    "the server has secure boot on",
    69,
    r"cannot be measured: secure boot is on: kexec starts signed kernels only",
    "none",
)(flawed(**{"secure-boot": "6 0 0 0 1"}))
fault(
    "server-refuses-kexec",
    "the server's kernel refuses to load a kernel",
    69,
    r"ssh://root@server: a command on the server failed .*kexec_load failed: Operation not",
    "lost: has not ended",
)(flawed("refuses"))
fault(
    "server-firmware",
    "the measured kernel panics or hangs, or cannot start the server's own",
    69,
    r"boot 1 of 2, \w+: lost: ssh://root@server came back through its firmware: the kernel",
    "failed: through its firmware",
)(flawed("firmware"))
fault(
    "server-late",
    "the agent hangs on the server",
    69,
    r"boot 1 of 2, \w+: timed out: the agent did not end within 1 s",
    "timed_out: did not end within",
)(flawed("late"))
fault(
    "server-gone",
    "ssh is lost after the kexec: the server does not come back",
    69,
    r"boot 1 of 2, \w+: timed out: ssh://root@server has not answered since the kexec",
    "timed_out: has not answered",
)(flawed("gone"))
fault(
    "server-cut",
    "ssh is lost while the log is read",
    69,
    r"ssh://root@server: ssh failed: ssh: connect to host \S+ port 22: Connection refused",
    "lost: has not ended",
)(flawed("cut"))
fault(
    "server-damaged",
    "the log is damaged in the server's memory",
    69,
    r"boot 1 of 2, \w+: lost: the report is damaged: its SHA-256 is not the one",
    "failed: the report is damaged",
)(flawed("damaged"))
fault(
    "server-blank",
    "the log is overwritten before it is read",
    69,
    r"boot 1 of 2, \w+: lost: the reserved range holds no report",
    "failed: holds no report",
)(flawed("blank"))
fault(
    "server-changed",
    "the server has another command line after the last restart",
    0,
    r"ssh://root@server: the command line was '.*' and is '.* more'",
    "complete: ",
)(flawed("changed"))
