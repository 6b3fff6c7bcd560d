# SPDX-License-Identifier: GPL-2.0-only
"""Commands and command lines for a server."""

import shlex
import subprocess

import msgspec
import pytest

from harness import workloads
from harness.measure.metal import commands
from harness.measure.metal.ranges import Ranges
from harness.measure.metal.server_state import PROBE, State, changes, parse
from harness.project.project import Project
from tests.fakes.server.server import TEXTS

WORKLOAD = workloads.find("zone_device")
RANGES = Ranges(4 << 30, ((5 << 30, 1 << 30),))
PLAN = Project.find().plan("quick")
EFI = {"/sys/firmware/efi/systab": "ACPI20=0x7bffe014\nACPI=0x7bffe000\nSMBIOS=0x1"}


def test_the_measured_kernels_options() -> None:
    options = commands.command_line(WORKLOAD, State(TEXTS), RANGES, PLAN)
    assert 'dyndbg="func memmap_init_zone_device +p"' in options
    assert options.split()[0] == "console=tty0", "the server's console"
    assert {"panic=10", "oops=panic", "memmap=1024M!5120M"} < set(options.split())
    assert "softdog.soft_active_on_boot=1" in options.split()
    assert f"softdog.soft_margin={PLAN.boot_s + commands.WATCHDOG_S}" in options
    assert "acpi_rsdp" not in options
    assert "no_timer_check" not in options


def test_a_plans_own_options_are_last() -> None:
    plan = msgspec.structs.replace(PLAN, kernel_options=("panic=1",))
    assert commands.command_line(WORKLOAD, State(TEXTS), RANGES, plan).endswith(" panic=1")


def test_the_watchdog_has_a_limit() -> None:
    plan = msgspec.structs.replace(PLAN, boot_s=100_000)
    assert "softdog.soft_margin=65535 " in commands.command_line(
        WORKLOAD, State(TEXTS), RANGES, plan
    )


def test_kernels_without_efi_get_the_address_of_acpi_tables() -> None:
    state = State(TEXTS | EFI)
    assert "acpi_rsdp=0x7bffe014" in commands.command_line(WORKLOAD, state, RANGES, PLAN).split()
    assert commands.own_command_line(state, RANGES).endswith(
        "memmap=16M$4096M acpi_rsdp=0x7bffe014 panic=10"
    )


def init(*arguments: str) -> str:
    script = (Project.find().agent_folder / "metal.sh").read_text()
    return commands.init(script, "ab", RANGES, PLAN, arguments)


def test_inits_settings_are_quoted() -> None:
    lines = init("3", "namespace0.0:x'$(id)").splitlines()[1:7]
    words = dict(shlex.split(line)[0].split("=", 1) for line in lines)
    assert words["arguments"] == "3 namespace0.0:x'$(id)"
    assert words["regions"] == str(5 << 30)
    assert words["log_start"] == str(4 << 30)


def test_shellcheck_finds_nothing_in_init() -> None:
    argv = ["shellcheck", "--shell=sh", "-"]
    done = subprocess.run(argv, input=init("3"), capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "text",
    [
        PROBE,
        commands.UNPACK,
        commands.BOOT_STATE,
        commands.load(State(TEXTS), "dyndbg=\"a 'b'\" $x"),
    ],
)
def test_servers_get_posix_shell(text: str) -> None:
    argv = ["shellcheck", "--shell=sh", "--severity=warning", "--exclude=SC2164", "-"]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_options_survive_the_servers_shell() -> None:
    options = "dyndbg=\"func f +p\" memmap=16M$4G a='b'"
    words = shlex.split(commands.load(State(TEXTS), options))
    assert f"--command-line={options}" in words


def test_ranges_are_read_in_whole_blocks() -> None:
    assert commands.read(4 << 30, 1) == "dd if=/dev/mem bs=4096 skip=1048576 count=1"
    assert commands.read(4 << 30, 4097).endswith("count=2")


def test_the_probe_changes_nothing_and_is_parsed() -> None:
    done = subprocess.run(["sh", "-c", PROBE], capture_output=True, text=True, check=True)
    state = parse(done.stdout)
    assert state.of("release") in state.of("kernel")
    assert state.boot_id
    assert state.memory_bytes > 0


def test_changes_are_named() -> None:
    before = State(TEXTS)
    after = State(TEXTS | {"/proc/cmdline": "quiet", "services": "", "kernel": "Linux 7"})
    assert list(changes(before, before)) == []
    found = list(changes(before, after))
    assert [
        word for word in ("kernel was", "command line was", "ssh.service is no longer running")
        if any(word in text for text in found)
    ] == ["kernel was", "command line was", "ssh.service is no longer running"]  # fmt: skip
