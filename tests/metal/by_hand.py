# SPDX-License-Identifier: GPL-2.0-only
"""Measures on an emulated server, healthy and failing, in half an hour.

Run by `pytest tests/metal/by_hand.py`. Builds base and four patches the first time. -k chooses
tests; each restores the server.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.project.project import Project
from harness.record import store
from harness.record.record import BootRun
from tests.metal import machine
from tests.metal.machine import Server

#: The user's: a tree and two kernels take long to make.
CACHE = Cache.default()
PLAN = """\
description: two bindings of each driver
guest: pmem-legacy
rebinds: 2
kconfig: [guest, nvdimm, timing, icelake]
boots: {{kvm: {boots}, tcg: 1}}
boot_s: {boot_s}
kernel_options: [{option}]
"""
IMAGE, INITRAMFS = "/boot/vmlinuz-$(uname -r)", "/boot/initrd.img-$(uname -r)"
#: Damages a byte of the report in the server's memory before it is read.
DAMAGE = """\
#!/bin/sh
for command; do :; done
case $command in
*"dd if=/dev/mem"*count=1) ;;
*"dd if=/dev/mem"*)
	block=${command#*skip=}
	at=$((${block%% *} * 4096 + 100))
	SSH root@server "printf '\\1' | dd of=/dev/mem bs=1 seek=$at conv=notrunc" ;;
esac
exec SSH "$@"
"""


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE.root.parent))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with machine.running(CACHE, tmp_path_factory.mktemp("server")) as running:
        yield running


class Bench:
    """A checkout with plans and results of its own, and the server."""

    def __init__(self, root: Path, server: Server) -> None:
        root.mkdir(exist_ok=True)
        self.root, self.server = root, server
        found = Project.find().root
        for folder in ("series", "guests"):
            (root / folder).symlink_to(found / folder)
        self.plans = root / "configs" / "plans"
        self.plans.mkdir(parents=True)
        (self.plans / "reproduce.yaml").symlink_to(found / "configs" / "plans" / "reproduce.yaml")
        for entry in (found / "configs").iterdir():
            if entry.name != "plans":
                (root / "configs" / entry.name).symlink_to(entry)
        self.plan()

    def plan(self, *, boots: int = 1, boot_s: int = 300, option: str = "") -> None:
        text = PLAN.format(boots=boots, boot_s=boot_s, option=option)
        (self.plans / "server.yaml").write_text(text)

    def measure(
        self, *arguments: str, once: Callable[[], None] | None = None, ssh: Path | None = None
    ) -> tuple[int, str]:
        """Measure on the server; return exit code and messages.

        `once` is called when the server has left its own kernel. `ssh` is a folder before PATH.
        """
        env = self.server.environment | {"MEMMAP_HARNESS_ROOT": str(self.root)}
        if ssh is not None:
            env["PATH"] = f"{ssh}:{env['PATH']}"
        argv = [str(Path(sys.executable).parent / "harness"), "measure", "--plan", "server"]
        # Later patches change headers: all objects would be compiled again.
        argv += ["--prefix", "4", "--on", "ssh://root@server", "--allow-virtual", *arguments]
        started = time.monotonic()
        said = []
        with subprocess.Popen(
            argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                print(f"{time.monotonic() - started:7.1f}  {line}", end="", flush=True)
                said.append(line)
                if once is not None and "by kexec" in line:
                    once()
        return child.returncode, "".join(said)

    def last(self) -> tuple[BootRun, Path]:
        found = (self.root / "results").glob("*/*/record.json")
        file = max(found, key=lambda path: path.stat().st_mtime)
        return store.load_boots(file.parent), file.parent

    def restart(self) -> None:
        """Start the server through its firmware."""
        self.server.run("systemctl reboot")
        time.sleep(20)
        self.server.wait()


@pytest.fixture
def bench(tmp_path: Path, server: Server) -> Bench:
    return Bench(tmp_path, server)


def test_base_and_tip(bench: Bench) -> None:
    bench.plan(boots=3)
    code, said = bench.measure()
    assert code == 0, said
    assert "as before" in said.splitlines()[-2]
    record, folder = bench.last()
    assert (record.outcome, record.evidence) == ("complete", "metal")
    assert record.machine.hypervisor == "unknown"
    built = sorted((boot.build, boot.number) for boot in record.boots)
    assert built == [(build, number) for build in ("base", "tip") for number in (1, 2, 3)]
    for boot in record.boots:
        assert [check for check in boot.checks if not check.ok] == []
        assert boot.findings == ()
        assert len(boot.samples) == 2 * 3
    before, after = ((folder / f"server-{when}.txt").read_text() for when in ("before", "after"))
    assert before == after
    assert machine.OPTIONS in before


def test_a_short_loss_of_the_network_changes_nothing(bench: Bench) -> None:
    def unplug() -> None:
        time.sleep(10)
        bench.server.plug(in_=False)
        time.sleep(30)
        bench.server.plug(in_=True)

    code, said = bench.measure(once=unplug)
    assert code == 0, said


def test_a_loss_of_the_network(bench: Bench) -> None:
    bench.plan(boot_s=1)
    code, said = bench.measure("--patience", "0.1", once=lambda: bench.server.plug(in_=False))
    assert code == 69
    assert "timed out: ssh://root@server has not answered since the kexec" in said
    assert "does not answer, so it was not restarted" in said
    bench.server.plug(in_=True)
    # By kexec with memory reserved, or through its firmware if the watchdog came first.
    bench.server.wait()
    bench.restart()


@pytest.mark.parametrize(
    "option",
    [
        pytest.param("rdinit=/none", id="panic"),
        # A shell that waits for input.
        pytest.param("rdinit=/bin/sh", id="hang"),
    ],
)
def test_a_kernel_that_does_not_start_the_agent(bench: Bench, option: str) -> None:
    bench.plan(boot_s=60, option=option)
    code, said = bench.measure()
    assert code == 69
    assert "lost: ssh://root@server came back through its firmware" in said
    assert "as before" in said


def test_an_agent_that_hangs(bench: Bench) -> None:
    bench.plan(boot_s=1)
    code, said = bench.measure()
    assert code == 69
    assert "timed out: the agent did not end within 1 s" in said
    assert "as before" in said


@pytest.mark.parametrize("damaged", [IMAGE, INITRAMFS])
def test_a_kernel_of_its_own_that_cannot_be_started(bench: Bench, damaged: str) -> None:
    run = bench.server.run
    assert run(f"cp {damaged} /root/saved && head -c 1000000 /dev/zero >{damaged}") is not None
    try:
        code, said = bench.measure()
    finally:
        bench.server.wait()
        assert run(f"mv /root/saved {damaged}") is not None
    assert code == 69
    assert "lost: ssh://root@server came back through its firmware" in said


def test_a_damaged_log(bench: Bench, tmp_path: Path) -> None:
    program = tmp_path / "damage" / "ssh"
    program.parent.mkdir()
    program.write_text(DAMAGE.replace("SSH", str(bench.server.bin / "ssh")))
    program.chmod(0o755)
    code, said = bench.measure(ssh=program.parent)
    assert code == 69
    assert "lost: the report is damaged: its SHA-256 is not the one" in said


def test_the_procedure(tmp_path: Path) -> None:
    """The server's own kernel, which has the pr_debug() too, on RAM marked as persistent."""
    carved = f"{machine.OPTIONS} memmap=512M!4352M memmap=512M!4992M"
    harness = str(Path(sys.executable).parent / "harness")
    folder = tmp_path / "server"
    folder.mkdir()
    with machine.running(CACHE, folder, carved) as server:
        bench = Bench(tmp_path / "bench", server)
        script = subprocess.run([harness, "procedure"], capture_output=True, text=True, check=True)
        assert server.run("modprobe -a nd_e820 nd_pmem dax_pmem device_dax") is not None
        for name, mode in (("namespace0.0", "fsdax"), ("namespace1.0", "devdax")):
            made = server.run(f"ndctl create-namespace --force --reconfig={name} --mode={mode}")
            assert made is not None
        quoted = script.stdout.replace("'", "'\\''")
        assert server.run(f"printf %s '{quoted}' >/root/rebind.sh") is not None
        logs = []
        for number in (1, 2):
            command = (
                f"cd /root; sh rebind.sh --rebinds 3 --log {number}.log namespace0.0 namespace1.0"
            )
            assert server.run(command, seconds=900) is not None
            log = tmp_path / f"{number}.log"
            text = server.run(f"cat /root/{number}.log") or ""
            # The server has one kernel, but an import needs two: another byte of the build id.
            log.write_text(re.sub("(?<=474e5500)..", f"{number:02x}", text))
            logs.append(str(log))
        kernel_log = server.run("dmesg") or ""
    env = os.environ | {"MEMMAP_HARNESS_ROOT": str(bench.root)}
    argv = [harness, "import-logs", "--base", logs[0], "--tip", logs[1], "--no-claims"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    record, _ = bench.last()
    assert record.evidence == "reported"
    imported = [sample.ns // 1_000_000 for boot in record.boots for sample in boot.samples]
    printed = re.findall(r"memmap_init_zone_device initialised \d+ pages in (\d+)ms", kernel_log)
    assert imported == [int(ms) for ms in printed[-len(imported) :]]
    assert len(imported) == 2 * 2 * 3
