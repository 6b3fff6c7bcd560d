# SPDX-License-Identifier: GPL-2.0-only
"""`harness procedure` in a guest: three shells, refusals, and figures equal to the console's."""

import re
import shutil
from pathlib import Path

import pytest

from harness import workloads
from harness.guest import agent, boot, rootfs
from harness.guest.backing_files import images
from harness.guest.console import agent_log, console
from harness.guest.qemu.options import Device
from harness.host.cache import Cache
from harness.host.processes import programs, shared_libraries
from harness.host.processes.process import Deadline
from harness.kernel import build, configure
from harness.measure.reported import kernel_logs
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.workloads.figures import Step
from harness.workloads.workload import Expected
from harness.workloads.zone_device.agent_lines import NamespaceLine, of_type

pytestmark = pytest.mark.boot
REBINDS = 2
WORKLOAD = workloads.find("zone_device")
#: Runs as the agent. The port gets four reports, and then what the runs printed.
MAIN = """#!/bin/sh
cat >/run/rebind.sh <<'end of procedure'
@PROCEDURE
end of procedure
cd /run
export TMPDIR=/run
run() {
	echo "== $*"
	"$@"
	echo "exit code $?"
}
all() {
	ndctl create-namespace --force --reconfig=namespace0.0 --mode=fsdax --align=2M
	ndctl create-namespace --force --reconfig=namespace1.0 --mode=devdax --align=2M
	names='namespace0.0 namespace1.0'
	run sh rebind.sh
	run sh rebind.sh --dry-run $names
	ls *.log
	run dash rebind.sh --rebinds @REBINDS --log 1.log $names
	run busybox sh rebind.sh --rebinds @REBINDS --log 2.log $names
	run bash rebind.sh --rebinds @REBINDS --log 3.log $names
	echo data >/dev/pmem0
	run sh rebind.sh --log refused.log $names
	run sh rebind.sh --dry-run --destroy namespace0.0
	exec 9>/dev/dax1.0
	run sh rebind.sh --dry-run namespace1.0
	exec 9>&-
	run sh rebind.sh --rebinds @REBINDS --log 4.log --destroy namespace0.0 namespace1.0
	ls *.log
}
all >out 2>&1
for port in /sys/class/virtio-ports/*; do
	[ "$(cat "$port/name")" = memmap-harness ] || continue
	cat 1.log 2.log 3.log 4.log out >"/dev/${port##*/}"
done
"""


@pytest.fixture(scope="module")
def ended(
    project: Project, cache: Cache, tree: Tree, tmp_path_factory: pytest.TempPathFactory
) -> boot.EndedBoot:
    plan = project.plan("quick")
    guest = project.guest("pmem-1g")
    recipe = configure.recipe(project, plan.kconfig)
    kernel = build.build(cache, tree, tree.commit, recipe)
    script = MAIN.replace("@PROCEDURE", agent.procedure(project.agent_folder, plan, guest))
    script = script.replace("@REBINDS", str(REBINDS))
    work = tmp_path_factory.mktemp("procedure")
    root = work / "root"
    shutil.copytree(rootfs.assemble(cache, script), root, symlinks=True)
    for shell in ("dash", "bash"):
        program = programs.require(shell)
        found = shared_libraries.libraries(program, log=work / "ldd", deadline=Deadline(60))
        (root / "bin" / shell).unlink(missing_ok=True)
        for path in (program, *found):
            name = f"bin/{shell}" if path == program else str(path).lstrip("/")
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / name)
    with images(cache, guest) as backing:
        return boot.boot(
            cache,
            boot.Command(
                image=Path(kernel.image),
                root=root,
                script=rootfs.AGENT,
                sign=boot.AGENT_STARTED,
                accelerator="tcg",
                guest=guest,
                devices=tuple(
                    Device(backing.named[ns.driver], ns.size_bytes) for ns in guest.namespaces
                ),
            ),
            log=work / "console.log",
            seconds=120,
        )


def reports(ended: boot.EndedBoot) -> list[bytes]:
    """The logs of the four runs, each up to its end marker."""
    *logs, _ = ended.channel.split(b'{"is":"end"')
    rests = [part.partition(b"\n")[2] for part in logs[1:]]
    ends = [part.partition(b"\n")[0] for part in ended.channel.split(b'{"is":"end"')[1:]]
    bodies = [logs[0], *rests]
    return [body + b'{"is":"end"' + end + b"\n" for body, end in zip(bodies, ends, strict=True)]


def printed(ended: boot.EndedBoot) -> dict[str, tuple[int, str]]:
    """Exit code and output of each run, by its command."""
    found = {}
    for part in ended.channel.decode().split("\n== ")[1:]:
        command, _, rest = part.partition("\n")
        text, _, code = rest.partition("exit code ")
        found[command] = int(code.split()[0]), text
    return found


def test_each_shell_writes_a_whole_report(ended: boot.EndedBoot) -> None:
    found = [agent_log.parse(log, WORKLOAD.line_types) for log in reports(ended)]
    assert [report.problems for report in found] == [()] * 4
    for number, report in enumerate(found):
        assert report.ended
        assert report.failed is None
        assert report.machine is not None
        assert (report.machine.hz, report.machine.hres, report.machine.rebinds) == (1000, "1", 2)
        assert report.machine.hypervisor == "unknown"
        assert len(report.build_id) == 40
        sizes = [line.sysfs_size for line in of_type(report.lines, NamespaceLine)]
        assert sizes == [str(1 << 30)] * 2
        # Of namespaces that were there, only rebinds are seen.
        lowest = {"nd_pmem": 0 if number == 3 else 1, "dax_pmem": 1}
        expected = {name: Expected(REBINDS + 1 - n, lowest=n) for name, n in lowest.items()}
        bindings = console.steps(report.kernel_log, expected, WORKLOAD.read)
        assert bindings.problems == ()
        for driver, first in lowest.items():
            assert [b.index for b in bindings.of(driver)] == [*range(first, REBINDS + 1)]
            assert {b.nr_pages for b in bindings.of(driver)} == {257536}


def test_its_times_are_those_of_the_console(ended: boot.EndedBoot) -> None:
    times = r"initialised \d+ pages in \d+ms"
    logs = "\n".join(agent_log.parse(log, WORKLOAD.line_types).kernel_log for log in reports(ended))
    assert re.findall(times, logs) == re.findall(times, ended.console)
    assert len(re.findall(times, logs)) == 3 * 4 + 5


def test_messages_and_refusals(ended: boot.EndedBoot) -> None:
    said = printed(ended)
    code, text = said["sh rebind.sh"]
    assert code == 0
    assert "namespace1.0  dax  1073741824 bytes" in text
    assert "ndctl create-namespace --mode=fsdax --map=dev --align=2M --size=1G" in text
    code, text = said["sh rebind.sh --dry-run namespace0.0 namespace1.0"]
    assert code == 0
    assert "would rebind nd_pmem (namespace0.0, pfn0.0, 1073741824 bytes) 5 times" in text
    assert ended.channel.count(b"*.log: No such file") == 1, "a dry run writes no log"
    code, text = said["sh rebind.sh --log refused.log namespace0.0 namespace1.0"]
    assert code == 2
    assert "namespace0.0 holds data" in text
    code, text = said["sh rebind.sh --dry-run namespace1.0"]
    assert code == 2
    assert "namespace1.0 is open in process" in text
    code, text = said["sh rebind.sh --dry-run --destroy namespace0.0"]
    assert code == 0
    assert "would recreate namespace0.0" in text
    assert "its contents are lost" in text
    assert ended.channel.endswith(b"1.log\n2.log\n3.log\n4.log\n")


def test_its_log_is_imported_with_the_figures_of_the_console(ended: boot.EndedBoot) -> None:
    for number, log in enumerate(reports(ended)):
        (imported,) = kernel_logs.boots(WORKLOAD, "a.log", log)
        assert imported.problems == ()
        assert imported.findings == ()
        assert imported.kernel.hz == 1000
        assert [(b.metric, b.index, b.nr_pages, b.ns) for b in imported.steps] == [
            (b.metric, b.index, b.nr_pages, b.ns) for b in on_console(ended)[number]
        ]


def on_console(ended: boot.EndedBoot) -> list[list[Step]]:
    """The bindings of each run, read from the console as those of the agent are."""
    _, *runs = ended.console.split("memmap-harness: <started>")
    found = []
    for number, text in enumerate(runs):
        lowest = {"nd_pmem": 0 if number == 3 else 1, "dax_pmem": 1}
        expected = {name: Expected(REBINDS + 1 - n, lowest=n) for name, n in lowest.items()}
        bindings = console.steps(text, expected, WORKLOAD.read)
        assert bindings.problems == ()
        found.append([*bindings.of("nd_pmem"), *bindings.of("dax_pmem")])
    return found
