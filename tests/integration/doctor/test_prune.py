# SPDX-License-Identifier: GPL-2.0-only
"""`harness cache` on a cache folder of our own."""

import os
import time
from pathlib import Path

import msgspec
import pytest

from harness.doctor.prune import PruneRule, entries, prune
from harness.host.cache import Cache

DAY = 86400.0


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Kernels of 1, 2 and 3 MiB, used 3, 2 and 1 days ago, and one thing of each other kind."""
    made = Cache(tmp_path / "cache")
    for days, name in ((3, "old"), (2, "middle"), (1, "new")):
        keep(made.kernels / name, (4 - days) << 20, days)
    keep(made.worktrees / "v7.2", 1 << 20, 5)
    keep(made.repository / "worktrees" / "v7.2", 4096, 5)
    keep(made.objects / "7.2-minimal", 1 << 20, 5)
    keep(made.root / "rebase", 4096, 9)
    for days, name in ((3, "old.json"), (1, "new.json")):
        keep(made.cells, 4096, 9)
        (made.cells / "file").rename(made.cells / name)
        os.utime(made.cells / name, (time.time() - days * DAY,) * 2)
    os.utime(made.repository, (time.time() - 5 * DAY,) * 2)
    (made.root / "kvm-unusable.json").write_text("{}")
    return made


def keep(folder: Path, nr_bytes: int, days: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "file").write_bytes(b"x" * nr_bytes)
    then = time.time() - days * DAY
    for path in (folder / "file", folder, folder.parent):
        os.utime(path, (then, then))


def names(cache: Cache) -> set[str]:
    return {f"{e.kind}/{e.name}".rstrip("/") for e in entries(cache)}


ALL = {
    *("kernels/old", "kernels/middle", "kernels/new", "worktrees/v7.2", "objects/7.2-minimal"),
    *("trees.git", "rebase", "kvm-unusable.json", "cells/old.json", "cells/new.json"),
}


def test_everything_is_listed_with_its_size_least_used_first(cache: Cache) -> None:
    found = entries(cache)
    assert names(cache) == ALL
    assert found[0].kind == "rebase"
    kernels = [e for e in found if e.kind == "kernels"]
    assert [e.name for e in kernels] == ["old", "middle", "new"]
    assert all(e.nr_bytes >= n << 20 for n, e in enumerate(kernels, 1))
    assert entries(Cache(cache.root / "none")) == ()


def test_old_entries_are_removed(cache: Cache) -> None:
    done = prune(cache, PruneRule(older_s=2.5 * DAY))
    assert {f"{e.kind}/{e.name}".rstrip("/") for e in done.gone} == {
        *("kernels/old", "worktrees/v7.2", "objects/7.2-minimal", "trees.git", "rebase"),
        "cells/old.json",
    }
    left = {"kernels/middle", "kernels/new", "kvm-unusable.json", "cells/new.json"}
    assert names(cache) == left
    assert done.left_bytes == sum(e.nr_bytes for e in entries(cache))
    assert list((cache.root / "staging").iterdir()) == []


def test_a_limit_removes_the_least_recently_used(cache: Cache) -> None:
    done = prune(cache, PruneRule(limit_bytes=6 << 20))
    assert done.left_bytes <= 6 << 20
    assert {"kernels/new", "kernels/middle"} <= names(cache)
    assert "kernels/old" not in names(cache)
    assert prune(cache, PruneRule(limit_bytes=6 << 20)).gone == ()


def test_everything_but_the_locks_is_removed(cache: Cache) -> None:
    assert prune(cache, PruneRule(limit_bytes=-1)).left_bytes == 0
    assert names(cache) == set()


def test_a_worktree_is_removed_from_git_as_well(cache: Cache) -> None:
    keep(cache.worktrees / "v7.3", 4096, 30)
    keep(cache.repository / "worktrees" / "v7.3", 4096, 1)
    prune(cache, PruneRule(older_s=20 * DAY))
    assert not (cache.worktrees / "v7.3").exists()
    assert not (cache.repository / "worktrees" / "v7.3").exists()
    assert (cache.repository / "worktrees" / "v7.2").exists()


def test_entries_in_use_stay(cache: Cache) -> None:
    other = Cache(cache.root)
    with other.locked("worktree-v7.2"):
        done = prune(cache, PruneRule(limit_bytes=-1))
    assert {e.kind for e in done.gone} == {"objects"}
    assert {f"{e.kind}/{e.name}".rstrip("/") for e in done.held} == ALL - {"objects/7.2-minimal"}
    other._in_use.close()  # type: ignore[union-attr]
    assert prune(cache, PruneRule(limit_bytes=-1)).held == ()


def test_a_lock_counts_as_use(cache: Cache) -> None:
    with Cache(cache.root).locked("objects-7.2-minimal"):
        pass
    found = {e.kind: e for e in entries(cache)}
    assert time.time() - found["objects"].used < 60
    assert time.time() - found["worktrees"].used > 4 * DAY
    msgspec.json.encode(found)
