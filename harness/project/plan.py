# SPDX-License-Identifier: GPL-2.0-only
"""A plan: which kernel configuration to measure, on which guest, and how often."""

import itertools
import re
from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

#: Names of files in a run's folder begin with a build's name.
_BUILD_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
#: Names that mean other builds in records.
_RESERVED = frozenset({"again", "each", "follow-up", "limit", "tip"})


class Boots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Boots per build, by accelerator. Emulated boots decide no claim, so one is enough."""

    kvm: int = 5
    tcg: int = 1

    def __post_init__(self) -> None:
        for name, boots in (("kvm", self.kvm), ("tcg", self.tcg)):
            if boots < 1:
                raise ValueError(f"{name}: {boots}; expected 1 or more")


class PlannedBuild(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One build of a plan: the first `patches` of the series, or another tree, with more options.

    `tree` is any name of a tree (`~/linux@1a2b3c`). `kconfig` and `kernel_options` are added to the
    plan's.
    """

    patches: int = 0
    tree: str = ""
    kconfig: tuple[str, ...] = ()
    kernel_options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.patches < 0:
            raise ValueError(f"patches: {self.patches}; expected 0 (base) or more")
        if self.patches and self.tree:
            raise ValueError(f"tree: given with patches: {self.patches}; expected one of them")
        for option in self.kernel_options:
            if not option or not option.isprintable() or " " in option:
                raise ValueError(f"kernel_options: {option!r}; expected one option per entry")


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan file; docs/series.md describes its keys. `name` is the file's, without `.yaml`.

    With clock `icount` guest time counts executed instructions, one per nanosecond: the same on
    every boot, and blind to caches. `cpu_model` is the only one to boot with, in place of the
    guest's, for which KVM may take another. `replay_rounds` are those of the replay before the
    boots. `builds` are measured in place of base and tip. UNSET keys are not part of the plan's
    digest.
    """

    description: str
    guest: str
    rebinds: int
    kconfig: tuple[str, ...]
    boots: Boots = Boots()
    clock: Literal["host", "icount"] = "host"
    boot_s: int = 900
    name: str = ""
    kernel_options: tuple[str, ...] | UnsetType = UNSET
    page_ref: bool | UnsetType = UNSET
    cpu_model: str | UnsetType = UNSET
    replay_rounds: int | UnsetType = UNSET
    builds: Mapping[str, PlannedBuild] | UnsetType = UNSET

    @property
    def build_names(self) -> tuple[str, ...]:
        """The names of the plan's own builds, base first; none for base and tip."""
        return () if isinstance(self.builds, UnsetType) else tuple(self.builds)

    def build(self, name: str) -> PlannedBuild:
        """Return what the plan says of a build; nothing if it names none."""
        named = {} if isinstance(self.builds, UnsetType) else self.builds
        return named.get(name, PlannedBuild())

    def options_of(self, build: str) -> tuple[str, ...]:
        """Return what the plan adds to the kernel's command line for a build."""
        everywhere = () if isinstance(self.kernel_options, UnsetType) else self.kernel_options
        return (*everywhere, *self.build(build).kernel_options)

    def __post_init__(self) -> None:
        if not 1 <= self.rebinds <= 1000:
            raise ValueError(f"rebinds: {self.rebinds}; expected 1 to 1000")
        if self.replay_rounds is not UNSET and not 3 <= self.replay_rounds <= 1000:
            raise ValueError(f"replay_rounds: {self.replay_rounds}; expected 3 to 1000")
        if self.boot_s < 1:
            raise ValueError(f"boot_s: {self.boot_s}; expected a deadline of 1 second or more")
        if self.builds is not UNSET:
            _require_builds(self.builds)


def _require_builds(builds: Mapping[str, PlannedBuild]) -> None:
    """Raise ValueError unless base is the first of several builds that differ."""
    first = next(iter(builds), "nothing")
    if first != "base" or len(builds) < 2:
        raise ValueError(
            f"builds: {len(builds)} given, {first!r} first; expected base first, and another one"
        )
    for name in builds:
        if not _BUILD_NAME.fullmatch(name) or name in _RESERVED:
            raise ValueError(
                f"builds: {name!r}; expected a letter, then letters, digits and dashes, none of "
                f"{', '.join(sorted(_RESERVED))}"
            )
    for (one, this), (two, that) in itertools.combinations(builds.items(), 2):
        if this == that:
            raise ValueError(f"builds: {one} and {two} are the same; expected different builds")
