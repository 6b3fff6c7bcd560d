# SPDX-License-Identifier: GPL-2.0-only
"""What a program inside bubblewrap can see, change and leave behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import ToolFailed
from harness.host.cache import Cache
from harness.host.processes import sandbox
from harness.host.processes.process import Deadline, Finished, run
from harness.host.processes.sandbox import NO_SANDBOX, Sandbox
from harness.kernel.binutils import Binutils


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    made = Cache(tmp_path / "a cache")
    reason = made.sandbox.unusable
    if reason is not None:
        message = f"bubblewrap does not work here: {reason}"
        # In CI these tests must not be skipped unnoticed.
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return made


def wrapped(cache: Cache, *argv: str, **options: object) -> Finished:
    return run(
        sandbox.wrap(argv, **options),  # type: ignore[arg-type]
        log=cache.log("wrapped"),
        deadline=Deadline(30),
        ok=None,
    )


def test_home_is_hidden_and_named_folders_are_not(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "a home"
    for name in (".ssh", "wanted", "shown"):
        (home / name).mkdir(parents=True)
        (home / name / "file").write_text("text")
    monkeypatch.setenv("HOME", str(home))
    result = wrapped(
        cache, "find", str(home), readable=[home / "shown"], writable=[home / "wanted"]
    )
    assert set(result.stdout.splitlines()) == {
        str(home),
        f"{home}/shown",
        f"{home}/shown/file",
        f"{home}/wanted",
        f"{home}/wanted/file",
    }


def test_only_writable_folders_are_written(cache: Cache, tmp_path: Path) -> None:
    inner = tmp_path / "out" / "in"
    inner.mkdir(parents=True)
    readable, writable = tmp_path / "out", inner
    assert (
        wrapped(
            cache, "touch", str(inner / "yes"), readable=[readable], writable=[writable]
        ).exit_code
        == 0
    )
    assert (inner / "yes").exists()
    assert (
        wrapped(
            cache, "touch", str(readable / "no"), readable=[readable], writable=[writable]
        ).exit_code
        != 0
    )
    assert wrapped(cache, "touch", "/etc/memmap-harness").exit_code != 0
    assert wrapped(cache, "touch", "/tmp/memmap-harness-inside").exit_code == 0
    assert not Path("/tmp/memmap-harness-inside").exists()


def test_a_folder_behind_a_link_in_the_home_is_reached(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, disk = tmp_path / "home", tmp_path / "disk"
    home.mkdir()
    (disk / "cache").mkdir(parents=True)
    (home / ".cache").symlink_to(disk)
    monkeypatch.setenv("HOME", str(home))
    named = home / ".cache" / "cache"
    assert wrapped(cache, "touch", str(named / "made"), writable=[named]).exit_code == 0
    assert (disk / "cache" / "made").exists()


def test_a_linker_script_cannot_read_a_key(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ld takes a text file for a linker script, which may include other files."""
    home, folder = tmp_path / "home", tmp_path / "made"
    for made in (home, folder):
        made.mkdir()
    (home / "key").write_text("a private key")
    script, joined = folder / "object.o", folder / "joined.o"
    script.write_text(f"TARGET(binary) INPUT({home}/key)")
    monkeypatch.setenv("HOME", str(home))
    log = cache.log("joined")
    Binutils(log, Deadline(60), Sandbox(NO_SANDBOX)).join([script], joined, {})
    assert b"a private key" in joined.read_bytes()
    joined.unlink()
    with pytest.raises(ToolFailed, match="ld failed"):
        Binutils(log, Deadline(60), cache.sandbox).join([script], joined, {})
    assert not joined.exists()


def test_binutils_in_the_sandbox_do_what_they_do_outside(cache: Cache, tmp_path: Path) -> None:
    found = []
    for used in (Sandbox(NO_SANDBOX), cache.sandbox):
        folder = tmp_path / f"confined: {used.unusable}"
        folder.mkdir()
        source = folder / "object.c"
        source.write_text("int other(void); int kept(void) { return other(); } int main(void);")
        subprocess.run(["cc", "-c", "-o", folder / "object.o", source], check=True)
        binutils = Binutils(cache.log("binutils"), Deadline(60), used)
        joined, program = folder / "joined.o", folder / "program"
        binutils.join([folder / "object.o"], joined, {"other": 0x10000})
        assert binutils.undefined(folder / "object.o") == ["other"]
        assert binutils.undefined(joined) == []
        binutils.keep_global(joined, "k*")
        (folder / "main.c").write_text("int kept(void); int main(void) { return !kept; }")
        subprocess.run(["cc", "-c", "-o", folder / "main.o", folder / "main.c"], check=True)
        binutils.program([folder / "main.o", joined], program)
        assert subprocess.run([program], check=False).returncode == 0
        assert any(name == "kept" for _, name in binutils.addresses(program))
        disassembly = binutils.disassembly(joined)
        assert "<kept>:" in disassembly
        code = disassembly.replace(str(folder), "")
        found.append((code, binutils.sizes(joined), binutils.defined(program)))
    assert found[0] == found[1]


def test_no_network(cache: Cache) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        assert wrapped(cache, sys.executable, "-c", connect).exit_code != 0
        assert wrapped(cache, sys.executable, "-c", connect, network=True).exit_code == 0


def test_the_environment_is_replaced(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    said = wrapped(cache, "env", env={"KBUILD_OUTPUT": "/o"}).stdout
    assert "secret" not in said
    assert "KBUILD_OUTPUT=/o" in said.splitlines()
    assert "LC_ALL=C" in said.splitlines()


@pytest.mark.parametrize("path", ["/etc/shadow", "/etc/ssh", "/var/lib", "/srv", "/boot", "/mnt"])
def test_folders_that_programs_do_not_need_are_hidden(cache: Cache, path: str) -> None:
    # Of a folder above this checkout, there is the way to the Python that runs us.
    way = {above.name for above in Path(sys.prefix).parents if above.parent == Path(path)}
    done = wrapped(cache, "ls", path)
    assert set(done.stdout.split()) == way
    assert (done.exit_code == 0) == bool(way)


def test_limits(cache: Cache, tmp_path: Path) -> None:
    script = f"head -c 2M /dev/zero > {tmp_path}/big; ulimit -c; cat /proc/self/oom_score_adj"
    done = wrapped(cache, "sh", "-c", script, writable=[tmp_path], max_file_bytes=1 << 20)
    assert (tmp_path / "big").stat().st_size == 1 << 20
    assert done.stdout.split() == ["0", "1000"]


def test_a_fork_bomb_is_killed(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MAX_TASKS", 50)
    script = "i=0; while [ $i -lt 400 ]; do sleep 60 & i=$((i+1)); done; wait"
    argv = sandbox.wrap(["sh", "-c", script])
    began = time.monotonic()
    with pytest.raises(sandbox.TooManyProcesses, match=r"had \d+ processes, more than 50"):
        run(argv, log=cache.log("forks"), deadline=Deadline(60), watch=sandbox.watch)
    assert time.monotonic() - began < 30


def test_bubblewrap_is_probed_once(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    decided = cache.sandbox
    monkeypatch.setenv("PATH", "/nonexistent")
    assert cache.sandbox is decided
    assert Cache(cache.root).sandbox.unusable


def test_bubblewrap_is_not_probed_if_the_user_gives_it_up(tmp_path: Path) -> None:
    given_up = Cache(tmp_path / "none", Sandbox(NO_SANDBOX))
    assert given_up.sandbox.given_up
    assert not given_up.root.exists()


def test_everything_is_killed_with_its_parent(cache: Cache, tmp_path: Path) -> None:
    """SIGKILL cannot be handled."""
    pid_file = tmp_path / "pid"
    script = f"sleep 1000 & echo ready > {tmp_path}/ready; wait"
    argv = sandbox.wrap(["sh", "-c", script], writable=[tmp_path])
    spawner = (
        "import subprocess, sys, pathlib\n"
        "p = subprocess.Popen(sys.argv[2:], start_new_session=True)\n"
        "pathlib.Path(sys.argv[1]).write_text(str(p.pid))\n"
        "p.wait()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", spawner, str(pid_file), *argv])
    wait_until(lambda: (tmp_path / "ready").exists() and bool(pid_file.read_text()))
    group = int(pid_file.read_text())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not group_lives(group))


def group_lives(group: int) -> bool:
    """Return whether the group has a process that is not a zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return True
    return False


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
