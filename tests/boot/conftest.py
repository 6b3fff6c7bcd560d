# SPDX-License-Identifier: GPL-2.0-only
"""Tests on a real tree with real compilers and QEMU. They use the user's own cache: it is large."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.record.applied import Applied

USERS_CACHE = os.environ.get("XDG_CACHE_HOME") or None
REQUIRED = os.environ.get("MEMMAP_HARNESS_REQUIRE_BOOT") == "1"
NEEDED = ("qemu-system-x86_64", "ndctl", "busybox", "make", "gcc", "flex", "bison")


def missing(reason: str) -> None:
    """Skip, or fail if MEMMAP_HARNESS_REQUIRE_BOOT is set."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the user's cache: a tree and two kernels take minutes to make."""
    if USERS_CACHE is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", USERS_CACHE)


@pytest.fixture(autouse=True)
def _tools() -> None:
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    for tool in NEEDED:
        if shutil.which(tool, path=path) is None:
            missing(f"{tool} is not installed")


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout of our data files with an empty results/ of its own."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("series", "configs", "guests"):
        (root / folder).symlink_to(Project.find().root / folder)
    yield root / "results"


@pytest.fixture(scope="session")
def project(results: Path) -> Project:
    return Project(results.parent)


@pytest.fixture(scope="session")
def cache() -> Cache:
    if USERS_CACHE is None:
        return Cache(Path.home() / ".cache" / "memmap-harness")
    return Cache(Path(USERS_CACHE) / "memmap-harness")


@pytest.fixture(scope="session")
def tree(project: Project, cache: Cache) -> Tree:
    from harness.trees.tree import fetch

    return fetch(project, cache, "v7.2")


@pytest.fixture(scope="session")
def applied(project: Project, cache: Cache, tree: Tree) -> Applied:
    from harness.series import ports
    from harness.series.apply import apply

    source = ports.for_tree(project, "memcpy-streaming", tree)
    return apply(project, cache, "memcpy-streaming", tree, source)
