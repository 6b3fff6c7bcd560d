# SPDX-License-Identifier: GPL-2.0-only
"""Loads the files in series/, configs/ and guests/ by name.

A new file there needs no new code.
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import msgspec

from harness import workloads
from harness.errors import InputError
from harness.project import user_file
from harness.project.claim import Claim
from harness.project.guest import Guest
from harness.project.matrix_plan import Matrix
from harness.project.plan import Plan
from harness.project.series import Series
from harness.project.tree_source import TreeSource
from harness.project.yaml_file import Steps, YamlFile

ROOT_VARIABLE = "MEMMAP_HARNESS_ROOT"
DEFAULT_SERIES = "memcpy-streaming"
#: Files in configs/plans/ with this name, or with it and a dash first, hold a matrix.
MATRIX = "matrix"
#: A tree's name becomes a tag, a folder and a lock.
_TREE_NAME = re.compile(r"[A-Za-z0-9](?:[.+-]?[A-Za-z0-9_]+)*")


class _SeriesFile(Series, frozen=True, forbid_unknown_fields=True):
    """series.yaml as it stands, its claims unread."""

    claims: Any = None


class _ClaimsOfSeries(msgspec.Struct, frozen=True):
    claims: tuple[Claim, ...] | None = None


def series_of(file: YamlFile, slug: str = "", ports: tuple[str, ...] = ()) -> Series:
    """Return what a series' file says, except its claims. Raises InputError."""
    found = file.load(_SeriesFile, slug=slug, ports=ports)
    return Series(**{name: getattr(found, name) for name in Series.__struct_fields__})


def claims_of(file: YamlFile) -> tuple[Claim, ...]:
    """Return the claims in a series' file. Raises InputError."""
    return file.load(_ClaimsOfSeries).claims or ()


class Project:
    """The project's folders, from the checkout at `root`.

    `repository` is the user's clone for this command (--repo), `user_file` names others.
    """

    def __init__(
        self, root: Path, *, user_file: Path | None = None, repository: Path | None = None
    ) -> None:
        self.root = root
        self.user_file = user_file
        self.repository = repository and repository.resolve()
        self.series_folder = root / "series"
        self.configs = root / "configs"
        self.guests_folder = root / "guests"
        self.agent_folder = self.guests_folder / "agent"
        self.results = root / "results"

    @classmethod
    def find(cls, repository: Path | None = None) -> "Project":
        """Return the checkout at $MEMMAP_HARNESS_ROOT, else the one this package is installed from.

        `repository` is the user's clone. Raises InputError if it has no series/ and configs/.
        """
        named = os.environ.get(ROOT_VARIABLE)
        root = Path(named) if named else Path(__file__).resolve().parents[2]
        if not (root / "series").is_dir() or not (root / "configs").is_dir():
            raise InputError(
                "has no series/ and configs/ folders",
                where=str(root),
                expected="a memmap-harness checkout",
                hint=f"set {ROOT_VARIABLE} to one",
            )
        return cls(root, user_file=user_file.place(), repository=repository)

    def repositories(self) -> tuple[Path, ...]:
        """Return the user's clones of the kernel: --repo, then those of the user's file.

        Raises InputError.
        """
        named = user_file.read(self.user_file).repositories if self.user_file else ()
        paths = [self.repository] if self.repository else []
        paths += [Path(name).expanduser() for name in named]
        return tuple(dict.fromkeys(path.resolve() for path in paths))

    def guest(self, name: str) -> Guest:
        """Load guests/<name>.yaml."""
        return _file(self.guests_folder, name, self._guests(), "guest").load(Guest, name=name)

    def guests(self) -> list[Guest]:
        """Load all guests, sorted by name."""
        return [self.guest(name) for name in self._guests()]

    def plan(self, name: str) -> Plan:
        """Load configs/plans/<name>.yaml."""
        names = self._plans(of_matrix=False)
        return _file(self.configs / "plans", name, names, "plan").load(Plan, name=name)

    def matrix(self, name: str) -> Matrix:
        """Load configs/plans/matrix.yaml or, with or without the prefix, matrix-<name>.yaml.

        Raises InputError if a fragment, guest or tree that it names does not exist.
        """
        names = self._plans(of_matrix=True)
        full = name if name in names else f"{MATRIX}-{name}"
        if full not in names:
            _require(
                name,
                [n.removeprefix(f"{MATRIX}-") for n in names],
                "matrix",
                self.configs / "plans",
            )
        file = YamlFile.read(self.configs / "plans" / f"{full}.yaml")
        made = file.load(Matrix, name=full)

        def check(steps: Steps, names: Iterable[str], known: Collection[str], kind: str) -> None:
            for unknown in sorted(set(names) - set(known)):
                raise file.error(steps, f"no {kind} {unknown!r}", _choices(known))

        for kernel, configuration in made.kernels.items():
            steps = ("kernels", kernel, "kconfig")
            check(steps, configuration.kconfig, self._fragments(), "Kconfig fragment")
        for number, block in enumerate(made.cells):
            check(("cells", number, "kernels"), block.kernels, made.kernels, "kernel")
            check(("cells", number, "guests"), block.guests, self._guests(), "guest")
            check(("cells", number, "trees"), block.trees, self.trees(), "tree")
            for guest in block.guests:
                self.guest(guest)
        return made

    def fragment(self, name: str) -> Path:
        """Return the path of configs/kconfig/<name>.config."""
        _require(name, self._fragments(), "Kconfig fragment", self.configs / "kconfig")
        return self.configs / "kconfig" / f"{name}.config"

    def trees(self) -> dict[str, TreeSource]:
        """Load configs/trees.yaml: where the trees come from, by name."""
        file = YamlFile.read(self.configs / "trees.yaml")
        found = file.load(dict[str, TreeSource])
        for name in found:
            if not _TREE_NAME.fullmatch(name):
                expected = "letters, digits, . _ + -, like v7.2"
                raise file.error((name,), "not a valid tree name", expected)
        return found

    def series_file(self, slug: str) -> Path:
        """Return the path of series/<slug>/series.yaml, which need not exist."""
        return self.series_folder / slug / "series.yaml"

    def series(self, slug: str) -> Series:
        """Load series/<slug>/series.yaml, without its claims.

        A series that is not kept there is of the default workload, and claims nothing here;
        `require_series` refuses it.
        """
        if slug not in self.slugs():
            found = workloads.find(workloads.DEFAULT)
            return Series(slug, found.function, found.object, (), port_of=0, slug=slug)
        ports = self.series_folder / slug / "ports"
        names = sorted(p.name for p in ports.iterdir() if p.is_dir()) if ports.is_dir() else []
        return series_of(self._series_file(slug), slug, tuple(names))

    def metrics(self) -> tuple[str, ...]:
        """Return the metrics of all workloads, and those that the series here name."""
        found = dict.fromkeys(workloads.metrics())
        for slug in self.slugs():
            with contextlib.suppress(InputError):  # of another series than the user's
                found |= dict.fromkeys(self.series(slug).measured.metrics)
        return tuple(found)

    def require_series(self, slug: str) -> Series:
        """Load a series that is kept in series/. Raises InputError if it is not."""
        _require(slug, self.slugs(), "series", self.series_folder)
        return self.series(slug)

    def measurable_series(self, slug: str) -> Series:
        """Load a series that runs can measure. Raises InputError if it is on another function."""
        series = self.series(slug)
        measured = series.measured.function
        if measured and series.function != measured:
            raise self._series_file(slug).error(
                ("function",),
                f"{series.function}() cannot be measured",
                measured,
                "use `harness apply`, `build`, `rebase` or `audit` for other functions",
            )
        return series

    def claims(self, slug: str) -> tuple[Claim, ...]:
        """Load the claims in series/<slug>/series.yaml; none if the series is not kept there."""
        if slug not in self.slugs():
            return ()
        return claims_of(self._series_file(slug))

    def slugs(self) -> list[str]:
        """Return the names of all series, sorted."""
        return sorted(p.parent.name for p in self.series_folder.glob("*/series.yaml"))

    def _series_file(self, slug: str) -> YamlFile:
        _require(slug, self.slugs(), "series", self.series_folder)
        return YamlFile.read(self.series_file(slug))

    def _guests(self) -> list[str]:
        return _stems(self.guests_folder, ".yaml")

    def _plans(self, *, of_matrix: bool) -> list[str]:
        names = _stems(self.configs / "plans", ".yaml")
        return [name for name in names if (name.partition("-")[0] == MATRIX) is of_matrix]

    def _fragments(self) -> list[str]:
        return _stems(self.configs / "kconfig", ".config")


def _stems(folder: Path, suffix: str) -> list[str]:
    return sorted(p.name.removesuffix(suffix) for p in folder.glob(f"*{suffix}"))


def _file(folder: Path, name: str, names: Collection[str], kind: str) -> YamlFile:
    _require(name, names, kind, folder)
    return YamlFile.read(folder / f"{name}.yaml")


def _require(name: str, names: Collection[str], kind: str, where: Path) -> None:
    """Raise InputError unless `name` is one of `names`."""
    if name not in names:
        raise InputError(f"no {kind} {name!r}", where=str(where), expected=_choices(names))


def _choices(names: Collection[str]) -> str:
    return "one of " + ", ".join(names) if names else "at least one file there"
