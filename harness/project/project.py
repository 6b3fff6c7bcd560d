# SPDX-License-Identifier: GPL-2.0-only
"""The project's data files as model objects: series/, configs/ and guests/.

An error names the file, the key and what was expected. The folder listing is the list of what
there is: a new guest is a new file, not new code.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from harness.errors import InputError
from harness.project.claim import Claim
from harness.project.guest import Guest
from harness.project.matrix_plan import Matrix
from harness.project.plan import Plan
from harness.project.series import FUNCTION, Series
from harness.project.tree_source import TreeSource

T = TypeVar("T")

ROOT_VARIABLE = "MEMMAP_HARNESS_ROOT"
#: More than any of our files needs; a larger one is a mistake or an attack.
MAX_YAML_BYTES = 1 << 20
#: What the files in configs/plans/ that hold a matrix begin with, or are called.
MATRIX = "matrix"
#: A tree's name becomes a tag, a folder and a lock.
_TREE_NAME = re.compile(r"[A-Za-z0-9](?:[.+-]?[A-Za-z0-9_]+)*")


class _StrictLoader(yaml.SafeLoader):
    """Plain YAML, except that a key given twice is an error instead of a silent overwrite."""


def _mapping_without_doubles(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool) or key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} stands twice or is no plain key", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_doubles
)


def read_yaml(path: Path) -> Any:
    """Return a YAML file's plain data. Raises InputError naming file and line."""
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise InputError("file is over 1 MiB", where=str(path), expected="a short YAML file")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text", where=str(path)) from error
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> Any:
    """Return the plain data of a YAML file's text. Raises InputError naming file and line."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(
            f"not valid YAML: {error.problem}", where=f"{path}{line}", expected="YAML"
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"not valid YAML: {error}", where=str(path)) from error


def convert(data: Any, kind: type[T], where: Path) -> T:
    """Return plain data as a model object. Raises InputError naming file and key."""
    try:
        return msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        message = str(error)
        what, _, key = message.partition(" - at `")
        key = key.rstrip("`").removeprefix("$").lstrip(".") or "top level"
        raise InputError(
            f"key {key}: {what}", where=str(where), expected=_known_keys(kind, what)
        ) from error


def series_of(data: Any, path: Path) -> Series:
    """Return what the data of a series' file says, but its claims. Raises InputError."""
    kept = {k: v for k, v in _keys(data, path).items() if k != "claims"}
    return convert(kept, Series, path)


def claims_of(data: Any, path: Path) -> tuple[Claim, ...]:
    """Return the claims that the data of a series' file has. Raises InputError."""
    return convert(_keys(data, path).get("claims") or [], tuple[Claim, ...], path)


def _keys(data: Any, path: Path) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InputError("holds no keys", where=str(path), expected="title, versions, claims")
    return data


def _known_keys(kind: object, what: str) -> str | None:
    """What to write instead of a key that is unknown or missing, where the keys are known."""
    if "field `" not in what or not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return None
    return "the keys " + ", ".join(f.encode_name for f in msgspec.structs.fields(kind))


class Project:
    """The project's folders, from the checkout at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.series_folder = root / "series"
        self.configs = root / "configs"
        self.guests_folder = root / "guests"
        self.results = root / "results"

    @classmethod
    def find(cls) -> "Project":
        """Locate the checkout: $MEMMAP_HARNESS_ROOT, else where this package is installed from.

        Raises InputError where neither holds series/ and configs/.
        """
        named = os.environ.get(ROOT_VARIABLE)
        root = Path(named) if named else Path(__file__).resolve().parents[2]
        if not (root / "series").is_dir() or not (root / "configs").is_dir():
            raise InputError(
                "holds no series/ and configs/ folders",
                where=str(root),
                expected="a memmap-harness checkout",
                hint=f"set {ROOT_VARIABLE} to one",
            )
        return cls(root)

    def guest(self, name: str) -> Guest:
        """Load guests/<name>.yaml."""
        path = _listed(self.guests_folder, name, ".yaml", "guest")
        return msgspec.structs.replace(convert(read_yaml(path), Guest, path), name=name)

    def guests(self) -> list[Guest]:
        """Load every guest there is, by name."""
        return [self.guest(path.stem) for path in sorted(self.guests_folder.glob("*.yaml"))]

    def plan(self, name: str) -> Plan:
        """Load configs/plans/<name>.yaml."""
        names = [n for n in self._plans() if n.partition("-")[0] != MATRIX]
        path = _listed(self.configs / "plans", name, ".yaml", "plan", names)
        return msgspec.structs.replace(convert(read_yaml(path), Plan, path), name=name)

    def matrix(self, name: str) -> Matrix:
        """Load configs/plans/matrix.yaml or, named with or without the prefix, matrix-<name>.yaml.

        Raises InputError for a fragment, guest or tree of it that is not there, too.
        """
        names = [n for n in self._plans() if n.partition("-")[0] == MATRIX]
        full = name if name in names else f"{MATRIX}-{name}"
        if full not in names:
            short = [n.removeprefix(f"{MATRIX}-") for n in names]
            where = str(self.configs / "plans")
            raise InputError(f"no matrix {name!r}", where=where, expected=_choices(short))
        path = self.configs / "plans" / f"{full}.yaml"
        made = msgspec.structs.replace(convert(read_yaml(path), Matrix, path), name=full)
        for kernel, configuration in made.kernels.items():
            for fragment in configuration.kconfig:
                with _blaming(path, f"kernels.{kernel}.kconfig"):
                    self.fragment(fragment)
        for number, block in enumerate(made.cells):
            for guest in block.guests:
                with _blaming(path, f"cells[{number}].guests"):
                    self.guest(guest)
            unknown = set(block.trees) - set(self.trees())
            if unknown:
                raise InputError(
                    f"key cells[{number}].trees: no tree {sorted(unknown)[0]!r}",
                    where=str(path),
                    expected=_choices(list(self.trees())),
                )
        return made

    def _plans(self) -> list[str]:
        return sorted(p.stem for p in (self.configs / "plans").glob("*.yaml"))

    def fragment(self, name: str) -> Path:
        """Locate configs/kconfig/<name>.config."""
        return _listed(self.configs / "kconfig", name, ".config", "Kconfig fragment")

    def trees(self) -> dict[str, TreeSource]:
        """Load configs/trees.yaml: where the trees come from, by name."""
        path = self.configs / "trees.yaml"
        found = convert(read_yaml(path), dict[str, TreeSource], path)
        for name in found:
            if not _TREE_NAME.fullmatch(name):
                raise InputError(
                    f"key {name}: is no name for a tree",
                    where=str(path),
                    expected="letters, digits, . _ + -, like v7.2",
                )
        return found

    def series_file(self, slug: str) -> Path:
        """Where a series' file is, or would be."""
        return self.series_folder / slug / "series.yaml"

    def series(self, slug: str) -> Series:
        """Load series/<slug>/series.yaml, without its claims."""
        path = self._listed_series(slug)
        loaded = series_of(read_yaml(path), path)
        ports = path.parent / "ports"
        names = sorted(p.name for p in ports.iterdir() if p.is_dir()) if ports.is_dir() else []
        return msgspec.structs.replace(loaded, slug=slug, ports=tuple(names))

    def measurable_series(self, slug: str) -> Series:
        """Load a series that runs can measure. Raises InputError if it is on another function."""
        series = self.series(slug)
        if series.function != FUNCTION:
            raise InputError(
                f"key 'function': {series.function}() cannot be measured",
                where=str(self.series_file(slug)),
                expected=FUNCTION,
                hint="use `harness apply`, `build`, `rebase` or `audit` for other functions",
            )
        return series

    def claims(self, slug: str) -> tuple[Claim, ...]:
        """Load what series/<slug>/series.yaml says the series promises."""
        path = self._listed_series(slug)
        return claims_of(read_yaml(path), path)

    def slugs(self) -> list[str]:
        """Every series there is."""
        return sorted(p.parent.name for p in self.series_folder.glob("*/series.yaml"))

    def _listed_series(self, slug: str) -> Path:
        if slug not in self.slugs():
            raise InputError(
                f"no series {slug!r}",
                where=str(self.series_folder),
                expected=_choices(self.slugs()),
            )
        return self.series_file(slug)


@contextlib.contextmanager
def _blaming(path: Path, key: str) -> Iterator[None]:
    """Say of a file that is not there who named it; what is wrong within one is its own fault."""
    try:
        yield
    except InputError as error:
        if not error.what.startswith("no "):
            raise
        raise InputError(
            f"key {key}: {error.what}", where=str(path), expected=error.expected
        ) from error


def _choices(names: list[str]) -> str:
    return "one of " + ", ".join(names) if names else "one to be there (none is)"


def _listed(
    folder: Path, name: str, suffix: str, kind: str, names: list[str] | None = None
) -> Path:
    if names is None:
        names = sorted(p.name.removesuffix(suffix) for p in folder.glob(f"*{suffix}"))
    if name not in names:
        raise InputError(f"no {kind} {name!r}", where=str(folder), expected=_choices(names))
    return folder / f"{name}{suffix}"
