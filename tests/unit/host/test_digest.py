# SPDX-License-Identifier: GPL-2.0-only
"""A value's digest is the same after JSON, pickle and copying."""

import copy
import importlib
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import harness
from harness.host.cache import Cache
from harness.host.digest import value_digest
from harness.jobs.matrix import cached
from harness.kernel import build, configure
from harness.project.guest import Guest
from harness.project.kernel import Fragment, Recipe
from harness.project.matrix_plan import Configuration, Matrix
from harness.project.plan import Boots, Plan
from harness.project.project import Project
from harness.project.tree_source import DebianSource, GitSource, Tarball, TreeSource
from harness.replay.program import objects
from harness.replay.timing.schedule import Schedule
from harness.workloads.zone_device.namespaces import Namespace

PROJECT = Project.find()


def through_json(value: Any) -> Any:
    kind = TreeSource if isinstance(value, TreeSource) else type(value)
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def retyped(value: Any) -> Any:
    """Return an equal value without a string object in common, as if read from another file."""
    return msgspec.convert(
        msgspec.to_builtins(deep_copied(value)),
        TreeSource if isinstance(value, TreeSource) else type(value),
    )


def deep_copied(value: Any) -> Any:
    return copy.deepcopy(value)


COPIES = (through_json, pickled, retyped, deep_copied)
RECIPE = Recipe("minimal", (Fragment("zdev", "CONFIG_ZONE_DEVICE=y\n"),), "gcc")
NAMESPACE = Namespace(mode="fsdax", size="1G")
#: Each type of which a digest is made: with defaults left out, with defaults given, and without.
VALUES = [
    RECIPE,
    Recipe("minimal", (), "gcc", "x86_64"),
    Recipe("vng", (), "clang-19", "arm64"),
    Guest("", "1G", (NAMESPACE,)),
    Guest("", "1G", (NAMESPACE,), cpu_model="Icelake-Server", provider="nvdimm", test_hmm=False),
    Guest("", "1G", (NAMESPACE,), provider="cxl", test_hmm=True),
    Plan("", "pmem-4g", 5, ("zdev",)),
    Plan("", "pmem-4g", 5, (), Boots(), "host", kernel_options=(), page_ref=False),
    Plan("", "pmem-4g", 5, (), Boots(2, 2), "icount", kernel_options=("quiet",), page_ref=True),
    Schedule(1 << 30, 3, 2, seed=1),
    Schedule(1 << 30, 3, 2, seed=1, kinds=("order0",), slices=2, slice_bytes=1 << 21),
    Configuration("", ("zdev",)),
    Configuration("", ("zdev",), "gcc", "x86_64", ("compiles",)),
    Configuration("", ("zdev",), shows=("same", "streams"), needs=("KMSAN",), page_ref=True),
    DebianSource("7.2", ("sid",)),
    GitSource("/srv/linux.git", "v7.2"),
    Tarball("linux.tar.xz", sha256="a" * 64),
    Tarball("linux.tar.xz", signature="linux.tar.sign", keyring="keys.gpg"),
]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_copied_value_has_the_same_digest(value: Any, copied: Callable[[Any], Any]) -> None:
    again = copied(value)
    assert again == value
    assert value_digest(again) == value_digest(value)
    assert value_digest(copied(again)) == value_digest(value)


@pytest.mark.parametrize("copied", COPIES)
def test_copied_plans_and_guests_have_the_same_digests(copied: Callable[[Any], Any]) -> None:
    plans = [PROJECT.plan(name) for name in ("gate", "quick", "reproduce")]
    cells = [*PROJECT.matrix("matrix").kernels.values()]
    values: list[Any] = [*PROJECT.trees().values(), *PROJECT.guests(), *plans, *cells]
    assert {Plan, Guest, DebianSource, Configuration} <= {type(value) for value in values}
    for value in values:
        assert value_digest(copied(value)) == value_digest(value)


@pytest.mark.parametrize("copied", COPIES)
def test_a_copied_recipe_has_the_same_cache_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: Callable[[Any], Any]
) -> None:
    """A Dask worker gets a recipe by pickle."""
    monkeypatch.setattr(build, "compiler_version", lambda _cache, program: f"{program} 14.2")
    monkeypatch.setattr(cached, "tool_version", lambda _cache, program, _deadline: f"{program} 1")
    cache = Cache(tmp_path)
    cells = cached.CachedCells(PROJECT, cache)
    made = configure.recipe(PROJECT, [])
    for recipe in (RECIPE, made):
        again = copied(recipe)
        assert build.key(cache, "c", again) == build.key(cache, "c", recipe)
        assert objects._folder(cache, "c", again) == objects._folder(cache, "c", recipe)
        assert cells.key(again, VALUES[3]) == cells.key(recipe, copied(VALUES[3]))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_another_value_has_another_digest(value: Any) -> None:
    others = [value_digest(other) for other in VALUES if other != value]
    assert value_digest(value) not in others


def test_the_order_of_a_dict_or_set_does_not_matter() -> None:
    assert value_digest({"a": 1, "b": 2}) == value_digest({"b": 2, "a": 1})
    words = [f"{n}" for n in range(20)]
    assert value_digest(frozenset(words)) == value_digest(frozenset(reversed(words)))
    assert value_digest(["a", "b"]) != value_digest(["b", "a"])


def structs() -> Iterator[type[msgspec.Struct]]:
    for module in pkgutil.walk_packages(harness.__path__, "harness."):
        importlib.import_module(module.name)
    left: list[type[msgspec.Struct]] = [msgspec.Struct]
    while left:
        kinds = left.pop().__subclasses__()
        left += kinds
        yield from (kind for kind in kinds if kind.__module__.startswith("harness."))


def test_no_struct_omits_defaults() -> None:
    """Such a field comes and goes with the identity of a string (see value_digest)."""
    found = list(structs())
    assert {Recipe, Plan, Guest, Schedule, Matrix} <= set(found)
    assert [kind.__name__ for kind in found if kind.__struct_config__.omit_defaults] == []
