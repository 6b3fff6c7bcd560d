# SPDX-License-Identifier: GPL-2.0-only
"""Proof that base and another build of a run differ in the series alone. Pure.

Everything that must be equal is a pin; a pin that is not equal is named.
"""

from collections.abc import Iterator, Sequence

import msgspec

from harness.guest.qemu.command_line import boot_command
from harness.judge.tabulate import ReplayTable, RunTable
from harness.record.record import Boot, Build

#: Between a pin's values, if the boots of one build differ among themselves.
SEVERAL = " / "
NOT_KNOWN = "not known"


class Pin(msgspec.Struct, frozen=True):
    """Something that must be equal: its value on base and on the other build."""

    name: str
    base: str
    tip: str
    equal: bool


class SymbolSize(msgspec.Struct, frozen=True):
    """A symbol whose size in the kernel changed, in bytes; None where a build does not have it."""

    name: str
    base_bytes: int | None
    tip_bytes: int | None


class Identity(msgspec.Struct, frozen=True):
    """The proof for one build.

    `files` differ between the two commits; `symbols` have another size; `config_diff` are the lines
    of .config that differ, `-` for base and `+` for the build. None where the record does not say.
    `planned` is what the plan lets differ, in words; it is not among the pins.
    """

    build: str
    pins: tuple[Pin, ...]
    files: tuple[str, ...] | None = None
    symbols: tuple[SymbolSize, ...] | None = None
    config_diff: tuple[str, ...] | None = None
    planned: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything pinned is equal."""
        return all(pin.equal for pin in self.pins)


def identity(table: RunTable) -> tuple[Identity, ...]:
    """Return the proof for each build but base."""
    base, *others = table.record.builds
    return tuple(
        Identity(
            build=build.name,
            pins=tuple(_pins(table, base, build)),
            files=build.files,
            symbols=_sizes(build),
            config_diff=build.config_diff,
            planned=tuple(_planned(base, build)),
        )
        for build in others
    )


def _planned(base: Build, build: Build) -> Iterator[str]:
    for name, ours, theirs in (
        ("kernel options", " ".join(base.kernel_options), " ".join(build.kernel_options)),
        ("Kconfig fragments", " ".join(base.kconfig), " ".join(build.kconfig)),
        ("tree", base.tree, build.tree),
    ):
        if ours != theirs:
            yield f"{name}: {ours or 'none'} in base, {theirs or 'none'} in this build"


def _sizes(build: Build) -> tuple[SymbolSize, ...] | None:
    if build.symbols is None:
        return None
    return tuple(SymbolSize(s.name, s.base_bytes, s.build_bytes) for s in build.symbols)


def _pins(table: RunTable, base: Build, build: Build) -> Iterator[Pin]:
    """Yield the pins; what a record has only once is equal for both builds."""
    yield from _of_kernels(base, build)
    machine = table.record.machine
    yield _once("machine", f"{machine.cpu}, {machine.cpus} CPUs, kernel {machine.kernel}")
    is_reported = table.record.evidence == "reported"
    if not is_reported:
        yield _once("accelerator", machine.accelerator)
    if isinstance(table, ReplayTable):
        yield _pin("bytes of a memmap", *(_sizes_of_passes(table, b) for b in (base, build)))
        return
    setup = table.record.setup
    if not is_reported:
        yield _once("guest", f"{setup.guest} {setup.guest_sha256[:12]}")
    boots = [table.boots[b.name] for b in (base, build)]
    if not all(boots):
        return
    yield _command_line(base, build, boots)
    if not is_reported:
        yield _agreed("QEMU options", *(_commands(found, "qemu") for found in boots))
        rest = (_commands(found, "others") for found in boots)
        yield _agreed("rest of the boot's command", *rest)
    counting = [table.counting[b.name] for b in (base, build)]
    if all(counting):
        for name in ("nr_pages", "resolution_ns", "source"):
            yield _pin(f"samples' {name}", *(_samples(found, name) for found in counting))


def _of_kernels(base: Build, build: Build) -> Iterator[Pin]:
    # Logs of another machine may have neither.
    if base.compiler or build.compiler:
        yield _pin("compiler", base.compiler, build.compiler)
    has_config = bool(base.config_sha256 or build.config_sha256)
    # Another tree may have other options, and a plan's fragments set some.
    if has_config and (base.kconfig, base.tree) == (build.kconfig, build.tree):
        yield _configuration(base, build)
    if base.tree == build.tree:
        yield _pin("release", base.release, build.release)


def _pin(name: str, base: str, build: str) -> Pin:
    return Pin(name, base, build, base == build)


def _agreed(name: str, base: set[str], build: set[str]) -> Pin:
    """Return a pin of values per boot, which must be equal within each build as well."""
    texts = [SEVERAL.join(sorted(values)) or NOT_KNOWN for values in (base, build)]
    return Pin(name, texts[0], texts[1], equal=base == build and len(base) <= 1)


def _once(name: str, value: str) -> Pin:
    return Pin(name, value, value, equal=True)


def _configuration(base: Build, build: Build) -> Pin:
    """Return the pin of the options. A series that changes Kconfig files may add some."""
    name = "configuration"
    if base.options_sha256 and build.options_sha256:
        ours, theirs = base.options_sha256, build.options_sha256
    else:
        ours, theirs = base.config_sha256, build.config_sha256
    if ours == theirs:
        return _pin(name, ours, theirs)
    diff = build.config_diff or ()
    brings = any(file.rpartition("/")[2].startswith("Kconfig") for file in build.files or ())
    added = bool(diff) and all(line.startswith("+") for line in diff)
    return Pin(name, ours, theirs, equal=brings and added)


def _command_line(base: Build, build: Build, boots: Sequence[Sequence[Boot]]) -> Pin:
    """Return the pin of the command lines, without the options that the plan gives one build."""
    if base.kernel_options == build.kernel_options:
        return _agreed("kernel command line", *(_commands(found, "kernel") for found in boots))
    rest = [
        {
            _without(boot_command(boot.argv).kernel, one.kernel_options)
            for boot in found
            if boot.argv
        }
        for one, found in zip((base, build), boots, strict=True)
    ]
    return _agreed("other kernel options", *rest)


def _without(line: Sequence[str], planned: Sequence[str]) -> str:
    """Return a command line without the planned options, which are its last."""
    rest = len(line) - len(planned)
    if list(line[rest:]) != list(planned):
        return f"{' '.join(line)}, without the planned {' '.join(planned)}"
    return " ".join(line[:rest])


def _commands(boots: Sequence[Boot], part: str) -> set[str]:
    return {" ".join(getattr(boot_command(boot.argv), part)) for boot in boots if boot.argv}


def _sizes_of_passes(table: ReplayTable, build: Build) -> str:
    found = {
        f"{kind} {p.nr_bytes}"
        for (name, kind), passes in table.passes.items()
        for p in passes
        if name == build.name
    }
    return ", ".join(sorted(found))


def _samples(boots: Sequence[Boot], name: str) -> str:
    found = {f"{s.metric} {getattr(s, name)}" for boot in boots for s in boot.samples}
    return ", ".join(sorted(found))
