# SPDX-License-Identifier: GPL-2.0-only
"""Measuring on a fake server, by a fake ssh: healthy and failing servers."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import GuestLost, HarnessError, InputError, MachineError, TimedOut, Unsupported
from harness.events import Ended, Note
from harness.host.processes import venv
from harness.jobs import reproduce
from harness.kernel import identity
from harness.measure.metal import one_boot, run
from harness.measure.metal.address import Address
from harness.measure.metal.run import OnServer
from harness.record import store
from harness.record.applied import Applied, Patch
from harness.record.record import BootRun
from tests.fakes.server import server
from tests.integration.measure.test_boots import FAKES, Bench

APPLIED = Applied("s", "x", "t", "7", "base", (Patch(1, "p", "tip", "1" * 40),), "s")


class Site(Bench):
    """A bench whose kernels boot on a fake server."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = folder / "server"
        self.plan = msgspec.structs.replace(
            self.plan, boot_s=1, boots=msgspec.structs.replace(self.plan.boots, kvm=2)
        )

    def run(self, *flaws: str, **texts: str) -> BootRun:
        server.install(self.server, *flaws, **texts)
        where = OnServer(Address("server"), restart_s=1)
        return run.run(
            self.project,
            self.cache,
            APPLIED,
            1,
            self.kernels,
            self.plan,
            self.guest,
            where,
            self.heard.append,
        )

    def last(self) -> BootRun:
        (folder,) = store.runs(self.project.results, "s")
        return store.load_boots(folder)

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.heard if isinstance(event, Note | Ended)]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    programs = tmp_path / "bin"
    programs.mkdir()
    # Only put into the measured kernels' root, which the fake server does not start.
    shutil.copy("/bin/true", programs / "kexec")
    monkeypatch.setenv("PATH", f"{server.FOLDER}:{FAKES}:{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("MEMMAP_HARNESS_FAKE_SERVER", str(tmp_path / "server"))
    monkeypatch.setattr(venv.sysconfig, "get_path", lambda _name: str(FAKES))
    same = lambda _cache, built: tuple(one.build for one in built)  # noqa: E731
    monkeypatch.setattr(identity, "with_differences", same)
    monkeypatch.setattr(one_boot, "_POLL_S", 0.01)
    monkeypatch.setattr(one_boot.commands, "WATCHDOG_S", 1)
    return Site(tmp_path)


def test_a_healthy_server(site: Site) -> None:
    record = site.run()
    assert record.outcome == "complete"
    assert record.evidence == "metal"
    assert record.machine.hypervisor == "none"
    assert (record.machine.cpu_id, record.machine.cpus) == ("GenuineIntel 6 106", 64)
    assert sorted((b.build, b.number) for b in record.boots) == [
        ("base", 1), ("base", 2), ("tip", 1), ("tip", 2)
    ]  # fmt: skip
    for boot in record.boots:
        assert [check for check in boot.checks if not check.ok] == []
        assert len(boot.samples) == 2 * (site.plan.rebinds + 1)
    assert site.last() == record
    (folder,) = store.runs(site.project.results, "s")
    before, after = ((folder / f"server-{when}.txt").read_text() for when in ("before", "after"))
    assert before == after
    assert server.OPTIONS in before
    assert site.said[-1] == "as before"


def test_the_commands_that_a_server_gets(site: Site) -> None:
    site.run()
    sent = server.commands(site.server)
    assert sent.count("systemctl kexec") == 4
    assert sent.count("systemctl reboot") == 1
    options = (site.server / "options").read_text()
    # The report's range first, then the namespaces' in order, with RAM between and after them.
    assert "memmap=16M$4096M memmap=4096M!5120M memmap=4096M!10240M" in options
    assert "initcall_blacklist=nfit_init" in options
    back = (site.server / "root" / "back" / "command-line").read_text()
    assert back == f"{server.OPTIONS} memmap=16M$4096M panic=10"


@pytest.mark.parametrize(
    ("flaw", "outcome", "says"),
    [
        ("gone", "timed_out", "has not answered since the kexec"),
        ("stays", "timed_out", "has not answered since the kexec"),
        ("firmware", "lost", "came back through its firmware"),
        ("late", "timed_out", "the agent did not end within 1 s"),
        ("blank", "lost", "holds no report"),
        ("stale", "lost", "the report of another boot"),
        ("damaged", "lost", "SHA-256 is not the one"),
    ],
)
def test_a_boot_that_fails(site: Site, flaw: str, outcome: str, says: str) -> None:
    with pytest.raises((GuestLost, TimedOut)) as caught:
        site.run(flaw)
    assert says in str(caught.value)
    (boot,) = site.last().boots
    assert boot.outcome == outcome
    assert says in boot.reason
    assert not boot.counts
    assert bool(boot.logs) == (flaw == "late"), "only a report that arrived is stored"
    sent = server.commands(site.server)
    assert ("systemctl reboot" in sent) == (flaw != "gone"), "the server is restored"
    assert any("does not answer" in text for text in site.said) == (flaw == "gone")


def test_a_kernel_that_cannot_be_loaded(site: Site) -> None:
    with pytest.raises(MachineError, match="kexec_load failed: Operation not permitted"):
        site.run("refuses")
    assert "systemctl kexec" not in server.commands(site.server)


def test_a_server_that_is_not_as_before_is_named(site: Site) -> None:
    record = site.run("changed")
    assert record.outcome == "complete"
    assert site.said[-1] == "not as before"
    assert any("the command line was" in text for text in site.said)


def test_a_kernel_with_a_flaw_fails_its_checks(site: Site) -> None:
    site.kernels["tip"] = site.kernel("tip", 30, "pages")
    record = site.run()
    assert [b.counts for b in record.boots if b.build == "tip"] == [False, False]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("user", "1000", "not root"),
        ("secure-boot", "6 0 0 0 1", "secure boot is on"),
        ("/sys/kernel/security/lockdown", "none [integrity] x", "locked down"),
        ("/sys/kernel/kexec_loaded", "", "no kexec"),
        ("/proc/sys/kernel/kexec_load_disabled", "1", "kexec is disabled"),
        ("/proc/cmdline", "quiet memmap=16M$4096M", "restart it first"),
        ("programs", "/bin/tar", "no systemctl"),
        ("images", "", "no /boot/vmlinuz-6.1.0-57-amd64"),
        ("images", "/boot/vmlinuz-6.1.0-57-amd64", "no /boot/initrd.img-6.1.0-57-amd64"),
        ("/proc/mounts", "/dev/pmem0 /data xfs rw,dax 0 0", "/dev/pmem0 on /data"),
        ("regions", "ndbus0\nregion0\n", "persistent memory of its own"),
        ("/proc/iomem", "100000000-1ffffffff : Persistent Memory\n", "persistent memory of its"),
        ("/proc/iomem", "00100000-7fffffff : System RAM\n", "no RAM above 4.0 GiB"),
        ("/proc/iomem", "100000000-1ffffffff : System RAM\n", "no 4.0 GiB"),
        ("/proc/meminfo", "MemTotal: 1024 kB\n", "it has 1.0 MiB of RAM"),
        ("/proc/cpuinfo", "flags : fpu hypervisor\n", "a virtual machine"),
        ("/sys/class/dmi/id/sys_vendor", "QEMU", "a virtual machine"),
    ],
)
def test_what_cannot_be_measured_is_refused(site: Site, name: str, text: str, says: str) -> None:
    with pytest.raises(Unsupported) as caught:
        site.run(**{name: text})
    assert says in str(caught.value)
    assert len(server.commands(site.server)) == 1, "nothing was changed there"


def test_a_server_that_cannot_be_reached(site: Site) -> None:
    with pytest.raises(HarnessError, match="Connection refused"):
        site.run("dead")


def harness(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["measure", "--plan", "quick", *words])
    if isinstance(done.exception, HarnessError):
        return done.exception.exit_code, str(done.exception)
    return done.exit_code, done.output


def test_a_dry_run_shows_every_command_and_runs_none(site: Site) -> None:
    server.install(site.server)
    code, output = harness("--on", "ssh://root@server", "--dry-run")
    assert code == 0
    for command in ("systemctl kexec", "systemctl reboot", "kexec --load", "tar -xf", "dd if="):
        assert command in output
    assert len(server.commands(site.server)) == 1, "the probe alone"


@pytest.mark.usefixtures("site")
def test_patience_multiplies_the_wait_for_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_here: object) -> None:
        (request,) = (one for one in _here if isinstance(one, reproduce.ReproduceRequest))
        assert request.where is not None
        raise InputError(f"{request.where.restart_s:.0f} s")

    monkeypatch.setattr(reproduce, "reproduce", stop)
    assert harness("--on", "ssh://root@server")[1] == "1200 s"
    assert harness("--on", "ssh://root@server", "--patience", "3")[1] == "3600 s"


def test_a_dry_run_names_what_is_refused(site: Site) -> None:
    server.install(site.server, user="1000")
    code, output = harness("--on", "ssh://root@server", "--dry-run")
    assert code == 69
    assert "the user there is not root" in output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--dry-run"], "--dry-run: given without --on"),
        (["--allow-virtual"], "--allow-virtual: given without --on"),
        (["--on", "lab7"], "--on: 'lab7' is not the address of a server"),
        *(
            (["--on", "ssh://root@lab7", *words], f"{words[0]}: not available on a server")
            for words in (
                ["--keep-images"],
                ["--fine-clock"],
                ["--scheduler", "x:1"],
                ["--accelerator", "tcg"],
                ["--pin", "3"],
                ["--until", "2%"],
            )
        ),
    ],
)
@pytest.mark.usefixtures("site")
def test_options_that_do_not_fit(words: list[str], says: str) -> None:
    code, output = harness(*words)
    assert code == 2
    assert says in output
