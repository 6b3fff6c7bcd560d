# SPDX-License-Identifier: GPL-2.0-only
"""The guest's root: its content, and when it is made again."""

import os
import subprocess
from pathlib import Path

import pytest

from harness.errors import MachineError, ToolMissing
from harness.guest.rootfs import assemble
from harness.host.cache import Cache
from harness.host.processes import programs, shared_libraries
from harness.host.processes.process import Deadline

FAKES = Path(__file__).parents[2] / "fakes" / "bin"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "a cache")


@pytest.fixture
def agent() -> str:
    return "#!/bin/sh\n"


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.skipif(programs.find("ndctl") is None, reason="ndctl is not installed")
@pytest.mark.skipif(programs.find("busybox") is None, reason="busybox is not installed")
def test_the_distributions_own_programs_run_from_it(cache: Cache, agent: str) -> None:
    root = assemble(cache, agent)
    assert (root / "agent").read_text() == agent
    assert os.access(root / "agent", os.X_OK)
    assert (root / "bin/sh").readlink() == Path("busybox")
    assert not (root / "bin/busybox").is_symlink()
    size = sum(p.stat().st_size for p in root.rglob("*") if p.is_file() and not p.is_symlink())
    assert size < 24 << 20
    # The loader and every library are the root's own: what it names is there.
    needed = shared_libraries.libraries(
        programs.require("ndctl"), log=cache.log("ldd"), deadline=Deadline(20)
    )
    assert needed
    assert all((root / str(path).lstrip("/")).is_file() for path in needed)
    loader = next(path for path in needed if path.name.startswith("ld-"))
    folders = ":".join(sorted({str(root / str(p.parent).lstrip("/")) for p in needed}))
    argv = [str(root / str(loader).lstrip("/")), "--library-path", folders]
    done = subprocess.run(
        [*argv, str(root / "bin/ndctl"), "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()


def test_it_is_made_again_only_if_the_agent_changes(
    cache: Cache, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{FAKES}:{os.environ['PATH']}")
    first = assemble(cache, agent)
    (first / "witness").touch()
    assert assemble(cache, agent) == first
    assert (first / "witness").exists()
    second = assemble(cache, "#!/bin/sh\nexit 1\n")
    assert second != first
    assert (second / "agent").read_text() == "#!/bin/sh\nexit 1\n"
    assert assemble(cache) not in (first, second)


def test_a_dynamic_busybox_is_refused(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "busybox").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    with pytest.raises(MachineError, match="linked dynamically; expected a static busybox"):
        assemble(cache)


def test_a_program_with_missing_libraries_is_refused(
    cache: Cache, agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(
        tmp_path / "bin",
        "ldd",
        'case $1 in *ndctl) echo "	libndctl.so.6 => not found" ;; *) exit 1 ;; esac',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{FAKES}:{os.environ['PATH']}")
    with pytest.raises(MachineError, match=r"libndctl\.so\.6 not found"):
        assemble(cache, agent)


def test_a_missing_program_is_named(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "SBIN", ())
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolMissing, match="busybox is not installed"):
        assemble(cache)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f)",
         ["/lib/x/libc.so.6"]),
        ("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)", ["/lib64/ld-linux-x86-64.so.2"]),
        ("\tlibc.so.6 => /opt/my libs/libc.so.6 (0x1f)", ["/opt/my libs/libc.so.6"]),
        ("\tnot a dynamic executable", []),
        ("\tstatically linked", []),
    ],
)  # fmt: skip
def test_libraries_are_parsed_from_ldd(
    said: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "ldd", f"cat <<'END'\n{said}\nEND")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    log = tmp_path / "log"
    found = shared_libraries.libraries(Path("/bin/x"), log=log, deadline=Deadline(20))
    assert [str(path) for path in found] == expected
