# SPDX-License-Identifier: GPL-2.0-only
"""Guests that misbehave."""

from tests.faults.scene import Ended, Scene
from tests.faults.table import Provocation, fault

STEADY = "import harness.host.speed as s; s.slowness = lambda: 1.0"
SHORT = f"{STEADY}; import harness.guest.waits as g; g.KERNEL_S['tcg'] = 3; g.KERNEL_S['kvm'] = 2"


def flawed(
    *names: str, guest: str = "small", rebinds: int = 5, boot_s: int = 60, patience: str = ""
) -> Provocation:
    """Return a provocation that boots guests with these flaws."""

    def provoke(scene: Scene) -> Ended:
        scene.plan(guest, rebinds, boot_s)
        scene.flaws(*names)
        return scene.reproduce(patience=patience)

    return provoke


def not_counted(name: str, flaw: str, done: str, check: str, *, quick: bool = False) -> None:
    """Add a row for a guest that ends normally but whose samples do not count."""
    says = rf"inconclusive: boot 1 of (base|tip) fails the check {check}"
    fault(f"boot-{name}", done, 1, says, "complete: ", quick=quick)(flawed(flaw))


not_counted(
    "samples-missing",
    "missing",
    "a binding gives no sample",
    r"nd_pmem bindings: 5 of 6",
    quick=True,
)
not_counted(
    "samples-doubled", "doubled", "a binding is reported twice", r"nd_pmem bindings: 5 of 6"
)
not_counted(
    "samples-interleaved",
    "interleaved",
    "another message splits the line of a sample",
    r"nd_pmem bindings: 5 of 6; binding 1: line cut",
)
not_counted(
    "samples-out-of-order",
    "order",
    "bindings are reported out of order",
    r"nd_pmem bindings: .*out of order",
)
not_counted(
    "log-wrapped",
    "wrapped",
    "the kernel's log buffer wraps",
    r"kernel log: the beginning",
)
not_counted("pages", "pages", "the kernel initializes one page less", r"nd_pmem pages: ")
not_counted(
    "align", "align", "ndctl makes a namespace with another alignment", r"nd_pmem namespace: "
)
not_counted("no-site", "no-site", "the kernel lacks the pr_debug site", r"pr_debug: no such site")
not_counted("tracepoint", "tracepoint", "the page_ref_set tracepoint is on", r"page_ref_set: ")


def unsure(name: str, flaw: str, done: str, says: str) -> None:
    """Add a row for a boot that compares clocks and fails to, which changes no verdict."""

    def provoke(scene: Scene) -> Ended:
        scene.flaws(flaw)
        return scene.reproduce("--fine-clock")

    fault(f"boot-{name}", done, 0, says, "complete: ")(provoke)


unsure(
    "clock-late-tick",
    "late-tick",
    "a tick comes late: two clocks time a binding differently",
    r"up to 2\.150 ms apart in 6 bindings, more than the clock's step",
)
unsure(
    "clock-no-probe",
    "no-probe",
    "a probe misses the return of a call",
    r"not compared: nd_pmem probes: 5 of 6 bindings timed",
)
unsure(
    "clock-panics",
    "panic-probed",
    "a kernel with probes panics",
    r"not compared: panicked: Kernel panic - not syncing: VFS: no working init found",
)

fault(
    "boot-timestamps-off",
    "printk timestamps are not monotonic",
    0,
    r"average of 5 rebinds +60\.00 +30\.00",
    "complete: ",
)(flawed("times"))
fault(
    "boot-bytes",
    "the kernel logs bytes that are not UTF-8",
    0,
    r"average of 5 rebinds +60\.00 +30\.00",
    "complete: ",
)(flawed("bytes"))
fault(
    "boot-warns",
    "the kernel warns once",
    1,
    r"inconclusive: boot 1 of (base|tip) shows warn on its console",
    "complete: ",
)(flawed("warn"))
fault(
    "boot-soft-lockup",
    "the watchdog reports a soft lockup, and the guest continues",
    1,
    r"inconclusive: boot 1 of (base|tip) shows soft lockup on its console",
    "complete: ",
)(flawed("soft-lockup"))
fault(
    "boot-panics-early",
    "the kernel panics before user space",
    69,
    r"boot 1 of 2, \w+: panicked: Kernel panic - not syncing: VFS: no working init found\. The con",
    "panicked: no working init",
    quick=True,
)(flawed("panic-early"))
fault(
    "boot-oops",
    "the kernel oopses on rebind 17",
    69,
    r"boot 1 of 2, \w+: panicked: Kernel panic - not syncing: Fatal exception",
    "panicked: Fatal exception",
)(flawed("oops", rebinds=20))
fault(
    "boot-agent-lost",
    "the agent dies in the middle of a line",
    69,
    r"boot 1 of 2, \w+: lost: the guest ended without the agent's end marker \(last: reboot",
    "failed: end marker",
)(flawed("agent-lost"))
fault(
    "boot-reboots",
    "the guest reboots and starts over",
    69,
    r"boot 1 of 2, \w+: lost: the guest ended without the agent's end marker",
    "failed: end marker",
)(flawed("reboot"))
fault(
    "boot-powers-off",
    "the guest powers off before the agent has finished",
    69,
    r"boot 1 of 2, \w+: lost: the guest ended without the agent's end marker",
    "failed: end marker",
)(flawed("lost"))
fault(
    "boot-ndctl-refuses",
    "ndctl cannot make the namespace",
    69,
    r"boot 1 of 2, \w+: failed: ndctl create-namespace: no such device",
    "failed: ndctl",
)(flawed("ndctl"))
fault(
    "boot-region-size",
    "the NVDIMM does not have the size in the guest file",
    69,
    r"boot 1 of 2, \w+: failed: region0 has 8589934592 bytes, not 4294967296",
    "failed: region0",
)(flawed("region"))
fault(
    "boot-no-memmap",
    "the guest leaves no struct pages in its namespaces",
    1,
    r"inconclusive: the run is failed: .*the struct pages of \w+ cannot be compared: signature",
    "failed: of nd_pmem cannot be compared",
)(flawed("no-memmap"))
fault(
    "boot-hangs",
    "the guest hangs in a binding",
    69,
    r"boot 1 of 2, \w+: timed out: not over within 5 s",
    "timed_out: not over",
)(flawed("hang", boot_s=5, patience=STEADY))
fault(
    "boot-silent",
    "QEMU hangs before the first console line",
    69,
    r"boot 1 of 2, \w+: timed out: no sign of the kernel within 3 s",
    "timed_out: no sign of the kernel",
)(flawed("dead", patience=SHORT))
fault(
    "boot-qemu-too-old",
    "QEMU does not know an option or CPU model",
    69,
    r"boot 1 of 2, \w+: lost: QEMU started no kernel \(last: qemu-system-x86_64: unable to find",
    "failed: unable to find CPU model",
)(flawed("qemu-old"))
fault(
    "boot-floods-console",
    "the guest writes 100 MB to its console",
    1,
    r"inconclusive: boot 1 of (base|tip) fails the check console: .*too much",
    "complete: ",
)(flawed("flood", boot_s=400))
fault(
    "boot-floods-channel",
    "the guest writes to the agent's channel without limit",
    69,
    r"boot 1 of 2, \w+: .*the guest wrote over \d+\.0 MiB to the agent's channel",
    "failed: channel",
)(flawed("channel-flood"))
fault(
    "boot-fills-namespace",
    "the guest overwrites its namespaces, which would fill the host's memory",
    69,
    r"boot 1 of 2, \w+: .*the guest wrote over .* into its namespaces",
    "failed: namespaces",
)(flawed("fill", guest="pmem-4g"))


@fault(
    "boot-qemu-dies",
    "the OOM killer kills QEMU during a boot",
    69,
    r"boot 1 of 2, \w+: lost: the guest ended without the agent's end marker .*SIGKILL",
    "failed: SIGKILL",
)
def _(scene: Scene) -> Ended:
    scene.flaws("hang")
    arguments = ("reproduce", "test", "--plan", "quick", "--accelerator", "tcg")
    return scene.while_killing("--kimg", *arguments, once="<begin")


@fault(
    "boot-qemu-missing",
    "QEMU is not installed",
    69,
    r"qemu-system-x86_64 is not installed\. Run `harness doctor`",
)
def _(scene: Scene) -> Ended:
    scene.without("qemu-system-x86_64")
    return scene.reproduce()


@fault(
    "boot-virtme-missing",
    "virtme-ng is not installed",
    69,
    r"virtme-run is not installed\. Run \./bootstrap",
)
def _(scene: Scene) -> Ended:
    scene.without("virtme-run")
    return scene.reproduce()


@fault(
    "boot-virtme-moved",
    "the virtual environment of virtme-ng was moved, so that its interpreter is missing",
    69,
    r"virtme-run: virtme-run cannot run: its interpreter /gone/python3 does not exist\. ",
)
def _(scene: Scene) -> Ended:
    (scene.bin / "virtme-run").write_text("#!/gone/python3\n")
    return scene.reproduce()


@fault(
    "boot-ndctl-missing",
    "ndctl is not installed",
    69,
    r"ndctl is not installed\. Run `harness doctor`",
)
def _(scene: Scene) -> Ended:
    scene.without("ndctl")
    return scene.reproduce()


@fault(
    "boot-no-memory",
    "/dev/shm and the cache have too little room for the memmaps",
    69,
    r"GiB free, too little for the guest's memmaps; expected",
    "lost: has not ended",
)
def _(scene: Scene) -> Ended:
    patience = "import harness.guest.backing_files as b; b.MARGIN_BYTES = 1 << 50"
    return scene.reproduce(patience=patience)


@fault(
    "boot-kvm-unusable",
    "KVM is requested, but cannot run a kernel",
    69,
    r"/dev/kvm: KVM is unusable: .*Use --accelerator tcg",
    "none",
)
def _(scene: Scene) -> Ended:
    return scene.reproduce("--accelerator", "kvm", patience=SHORT)


@fault(
    "boot-kvm-hangs",
    "KVM is present but no kernel boots under it; the accelerator is chosen automatically",
    0,
    r"tcg: KVM is unusable: .*\n?.*evidence|untested: emulated time",
    "complete: ",
)
def _(scene: Scene) -> Ended:
    return scene.reproduce("--accelerator", "auto", patience=SHORT)


@fault(
    "boot-killed",
    "the harness is killed (SIGKILL) during a boot, and run again",
    0,
    r"resuming run \S+",
    "complete: ",
)
def _(scene: Scene) -> Ended:
    arguments = ("reproduce", "test", "--plan", "quick", "--accelerator", "tcg")
    return scene.killed_at("boot 2 of 2", *arguments)


@fault(
    "boot-two-at-once",
    "two runs of the same series at the same time, with one cache",
    0,
    r"untested: emulated time",
    "complete: ",
)
def _(scene: Scene) -> Ended:
    arguments = ("reproduce", "test", "--plan", "quick", "--accelerator", "tcg")
    first = scene.start(*arguments)
    second = scene.harness(*arguments)
    _, stderr = first.communicate(timeout=120)
    assert first.returncode == 0, stderr
    return second
