# SPDX-License-Identifier: GPL-2.0-only
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import MachineError
from harness.host import cache as cache_module
from harness.host.cache import Cache, host_boot, publish, require_room


def test_constructing_a_cache_creates_nothing(tmp_path: Path) -> None:
    Cache(tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Cache.default().root == Path("/home/somebody/.cache/memmap-harness")


def test_a_staging_folder_is_removed_afterwards(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(RuntimeError), cache.staging() as work:
        (work / "file").write_text("x")
        raise RuntimeError
    assert list((tmp_path / "staging").iterdir()) == []


def test_staging_folders_of_killed_runs_are_removed_and_those_in_use_are_not(
    tmp_path: Path,
) -> None:
    cache = Cache(tmp_path)
    code = (
        "import sys, time; from pathlib import Path; from harness.host.cache import Cache\n"
        f"with Cache(Path({str(tmp_path)!r})).staging() as work:\n"
        "    print(work, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        left = Path(killed.stdout.readline().strip())
        with cache.staging() as mine:
            assert left.is_dir()
            os.kill(killed.pid, signal.SIGKILL)
            killed.wait()
            with cache.staging():
                assert not left.exists()
                assert mine.is_dir()


def test_publishing_does_not_replace_a_finished_folder(tmp_path: Path) -> None:
    for name in ("made", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    publish(tmp_path / "made", tmp_path / "there")
    assert (tmp_path / "there" / "file").read_text() == "there"


def test_too_little_room_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"GiB free, too little to dance; expected .* GiB"):
        require_room(tmp_path / "not" / "yet", 1 << 60, "to dance")


def is_used(root: Path) -> bool:
    """Return whether another object uses the cache."""
    with Cache(root).alone() as is_alone:
        return not is_alone


def test_a_cache_in_use_by_others_is_not_locked_exclusively(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with cache.alone() as is_alone:
        assert is_alone
    assert not is_used(tmp_path)
    cache.log("x")
    assert is_used(tmp_path)
    with cache.alone() as is_alone:
        assert is_alone, "its own use does not count"
    other = Cache(tmp_path)
    other.log("x")
    with cache.alone() as is_alone:
        assert not is_alone


def test_a_cache_can_be_used_and_pruned_after_pruning_failed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(RuntimeError), cache.alone():
        raise RuntimeError
    assert not is_used(tmp_path)
    cache.log("x")
    assert is_used(tmp_path), "a closed handle holds no lock"
    with pytest.raises(RuntimeError), cache.alone():
        raise RuntimeError
    with cache.alone() as is_alone:
        assert is_alone


def test_a_cache_can_be_used_after_its_locks_could_not_be_created(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.log("x")
    locks = tmp_path / "locks"
    locks.rename(tmp_path / "away")
    locks.write_text("in the way")
    with pytest.raises(OSError, match="locks"), cache.alone():
        pass
    locks.unlink()
    (tmp_path / "away").rename(locks)
    cache.log("x")
    assert is_used(tmp_path)


def test_a_boot_has_an_id_where_proc_sys_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    known = host_boot()
    monkeypatch.setattr(cache_module, "BOOT_ID", Path("/nonexistent/boot_id"))
    assert host_boot() == host_boot() != known
    assert host_boot().startswith("btime ")
