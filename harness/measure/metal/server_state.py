# SPDX-License-Identifier: GPL-2.0-only
"""What a server runs and allows, from the output of a command that changes nothing. Pure."""

import re
from collections.abc import Iterator

import msgspec

_FILES = (
    "/proc/cmdline /proc/cpuinfo /proc/iomem /proc/meminfo /proc/mounts "
    "/proc/sys/kernel/random/boot_id /proc/sys/kernel/kexec_load_disabled "
    "/sys/kernel/kexec_loaded /sys/kernel/security/lockdown /sys/hypervisor/type "
    "/sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name /sys/firmware/efi/systab "
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor "
    "/sys/devices/system/cpu/intel_pstate/no_turbo /sys/devices/system/cpu/cpufreq/boost "
    "/sys/devices/system/cpu/smt/active /sys/devices/system/cpu/vulnerabilities/*"
)
#: Prints every file as a line `@PATH` and its lines, each after a blank; then commands' output
#: likewise.
PROBE = f"""\
show() {{ printf '@%s\\n' "$1"; shift; "$@" 2>/dev/null | sed 's/^/ /'; }}
for file in {_FILES}; do [ -r "$file" ] && show "$file" cat "$file"; done
show user id -u
show kernel uname -srvm
show release uname -r
show cpus nproc
show regions ls /sys/bus/nd/devices
show secure-boot sh -c 'od -An -t u1 /sys/firmware/efi/efivars/SecureBoot-*'
show images sh -c 'r=$(uname -r); ls /boot/vmlinuz-$r /boot/initrd.img-$r /boot/initramfs-$r.img'
show services systemctl list-units --type=service --state=running --plain --no-legend
show programs sh -c 'for p in systemctl tar dd; do command -v $p; done'
exit 0
"""
_PMEM = re.compile(r": Persistent Memory\b")
_RESERVED = re.compile(r"memmap=\d+M\$")
_ACPI = re.compile(r"^ACPI(?:20)?=(0x[0-9a-f]+)$", re.MULTILINE)


class State(msgspec.Struct, frozen=True):
    """The texts that a server printed, by name: paths of files, and names of commands."""

    texts: dict[str, str]

    def of(self, name: str) -> str:
        """Return a text; empty where the server has none."""
        return self.texts.get(name, "")

    @property
    def command_line(self) -> str:
        """The running kernel's options."""
        return self.of("/proc/cmdline")

    @property
    def boot_id(self) -> str:
        """A random number, new with each boot."""
        return self.of("/proc/sys/kernel/random/boot_id")

    @property
    def images(self) -> tuple[str, str]:
        """Paths of the running kernel's image and initramfs, empty where there is none."""
        found = self.of("images").split()
        kernels = [path for path in found if "/vmlinuz-" in path]
        others = [path for path in found if "/vmlinuz-" not in path]
        return (kernels or [""])[0], (others or [""])[0]

    @property
    def services(self) -> frozenset[str]:
        """The services that run."""
        return frozenset(line.split()[0] for line in self.of("services").splitlines() if line)

    @property
    def acpi(self) -> tuple[str, ...]:
        """The option that tells a kernel started by kexec where EFI's ACPI tables are."""
        match = _ACPI.search(self.of("/sys/firmware/efi/systab"))
        return (f"acpi_rsdp={match[1]}",) if match else ()

    @property
    def consoles(self) -> tuple[str, ...]:
        """The options that name consoles."""
        return tuple(word for word in self.command_line.split() if word.startswith("console="))

    @property
    def memory_bytes(self) -> int:
        """The RAM that the kernel uses."""
        match = re.search(r"^MemTotal: +(\d+) kB", self.of("/proc/meminfo"), re.MULTILINE)
        return int(match[1]) * 1024 if match else 0


def parse(printed: str) -> State:
    """Return the state that PROBE printed; lines outside a text are ignored."""
    texts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in printed.splitlines():
        if line.startswith("@"):
            lines = texts.setdefault(line[1:], [])
        elif line.startswith(" "):
            lines.append(line[1:])
    return State({name: "\n".join(found) for name, found in texts.items()})


def refusals(state: State) -> Iterator[str]:
    """Yield the reasons why this server cannot kexec measured kernels, or its own afterwards."""
    if state.of("user") != "0":
        yield "the user there is not root"
        return
    if state.of("secure-boot").split()[-1:] == ["1"]:
        yield "secure boot is on: kexec starts signed kernels only"
    lockdown = state.of("/sys/kernel/security/lockdown")
    if lockdown and "[none]" not in lockdown:
        yield f"the kernel is locked down ({lockdown}): it allows neither kexec nor /dev/mem"
    if not state.of("/sys/kernel/kexec_loaded"):
        yield "its kernel has no kexec (CONFIG_KEXEC)"
    elif state.of("/proc/sys/kernel/kexec_load_disabled") == "1":
        yield "kexec is disabled until the next boot (kernel.kexec_load_disabled)"
    if _RESERVED.search(state.command_line):
        yield "an interrupted measurement has left it with memory reserved: restart it first"
    yield from _missing(state)
    mounted = [line for line in state.of("/proc/mounts").splitlines() if "/dev/pmem" in line]
    if mounted:
        yield f"persistent memory is mounted: {' on '.join(mounted[0].split()[:2])}"
    elif _PMEM.search(state.of("/proc/iomem")) or "region" in state.of("regions"):
        yield "it has persistent memory of its own, which a measured kernel would bind"


def _missing(state: State) -> Iterator[str]:
    programs = {path.rpartition("/")[2] for path in state.of("programs").split()}
    for name in ("systemctl", "tar", "dd"):
        if name not in programs:
            yield f"it has no {name}"
    kernel, initramfs = state.images
    release = state.of("release")
    if not kernel:
        yield f"it has no /boot/vmlinuz-{release}, the image of its running kernel"
    elif not initramfs:
        yield f"it has no /boot/initrd.img-{release} or /boot/initramfs-{release}.img"


def changes(before: State, after: State) -> Iterator[str]:
    """Yield each difference in kernel, command line and services, as a sentence."""
    for name, old, new in (
        ("kernel", before.of("kernel"), after.of("kernel")),
        ("command line", before.command_line, after.command_line),
    ):
        if old != new:
            yield f"the {name} was {old!r} and is {new!r}"
    for service in sorted(before.services - after.services):
        yield f"{service} is no longer running"
