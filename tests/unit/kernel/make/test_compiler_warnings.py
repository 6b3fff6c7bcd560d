# SPDX-License-Identifier: GPL-2.0-only
"""Compiler warnings of all objects are known after an interrupted make."""

import os
from pathlib import Path

import pytest

from harness.errors import ToolFailed
from harness.host.processes import process
from harness.host.processes.process import Deadline
from harness.host.processes.sandbox import NO_SANDBOX, Sandbox
from harness.host.untrusted_folder import UntrustedFolder
from harness.kernel.make import compiler_warnings
from harness.kernel.make.compiler_warnings import STARTED, WARNINGS
from harness.kernel.make.kbuild import Make

ONE: dict[str, dict[str, int]] = {"mm/one.o": {"mm/one.c: unused variable 'x'": 1}}
EARLIER_NS = 1


@pytest.fixture
def output(tmp_path: Path) -> UntrustedFolder:
    """An O= folder without objects."""
    folder = tmp_path / "objects"
    folder.mkdir()
    compiler_warnings.begin(UntrustedFolder(folder))
    return UntrustedFolder(folder)


def make(output: UntrustedFolder, name: str, *, command: bool = False, time_ns: int = 0) -> Path:
    """Write an object and the file with its command."""
    path = output.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("made")
    written = [path]
    if command:
        written.append(path.with_name(f".{path.name}.cmd"))
        written[-1].write_text("savedcmd := cc")
    for file in written if time_ns else ():
        os.utime(file, ns=(time_ns, time_ns))
    return path


def test_each_make_adds_the_warnings_of_its_objects(output: UntrustedFolder) -> None:
    assert compiler_warnings.warned(output) == {}
    compiler_warnings.start(output)
    assert compiler_warnings.warned(output) is None, "unknown while it runs"
    compiler_warnings.finish(output, {**ONE, "mm/two.o": {}})
    assert compiler_warnings.warned(output) == ONE
    compiler_warnings.start(output)
    compiler_warnings.finish(output, {"mm/two.o": {"w": 2}})
    assert compiler_warnings.warned(output) == {**ONE, "mm/two.o": {"w": 2}}
    compiler_warnings.start(output)
    compiler_warnings.finish(output, {"mm/one.o": {}, "mm/two.o": {}})
    assert compiler_warnings.warned(output) == {}
    assert [p.name for p in output.path.iterdir()] == [WARNINGS]


def test_objects_of_an_interrupted_make_are_deleted_and_older_ones_stay(
    output: UntrustedFolder,
) -> None:
    older = make(output, "mm/older.o", command=True, time_ns=EARLIER_NS)
    compiler_warnings.start(output)
    objects = [
        make(output, "mm/one.o"),
        make(output, "mm/two.o", command=True),
        make(output, "scripts/tool", command=True),
    ]
    others = [make(output, "scripts/plain"), make(output, ".config")]
    assert compiler_warnings.warned(output) is None
    compiler_warnings.start(output)
    assert not any(path.exists() for path in objects)
    assert all(path.exists() for path in (older, *others))


def test_makes_that_are_interrupted_one_after_the_other(output: UntrustedFolder) -> None:
    compiler_warnings.start(output)
    compiler_warnings.finish(output, ONE)
    made = []
    for name in ("mm/two.o", "mm/three.o"):
        compiler_warnings.start(output)
        assert not any(path.exists() for path in made)
        made.append(make(output, name))
    compiler_warnings.start(output)
    assert not any(path.exists() for path in made)
    compiler_warnings.finish(output, {"mm/two.o": {}})
    assert compiler_warnings.warned(output) == ONE


def test_an_interrupted_deletion_is_resumed(
    output: UntrustedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler_warnings.start(output)
    objects = [make(output, f"mm/{name}.o") for name in ("one", "two")]
    unlink = Path.unlink

    def killed(path: Path) -> None:
        unlink(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            compiler_warnings.start(output)
    assert [path.exists() for path in objects].count(True) == 1
    compiler_warnings.start(output)
    assert not any(path.exists() for path in objects)


@pytest.mark.parametrize("step", ["write", "remove"])
def test_killed_while_recording_leaves_the_warnings_unknown(
    output: UntrustedFolder, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    compiler_warnings.start(output)
    path = make(output, "mm/one.o")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(UntrustedFolder, step, killed)
        with pytest.raises(KeyboardInterrupt):
            compiler_warnings.finish(output, ONE)
    assert compiler_warnings.warned(output) is None
    compiler_warnings.start(output)
    assert not path.exists()


def test_an_object_is_newer_if_only_its_command_is(output: UntrustedFolder) -> None:
    path = make(output, "mm/one.o", time_ns=EARLIER_NS)
    compiler_warnings.start(output)
    path.with_name(".one.o.cmd").write_text("savedcmd := cc")
    compiler_warnings.start(output)
    assert not path.exists()


def test_a_command_that_is_a_dangling_link_counts_by_its_own_time(output: UntrustedFolder) -> None:
    path = make(output, "mm/one.o", time_ns=EARLIER_NS)
    compiler_warnings.start(output)
    path.with_name(".one.o.cmd").symlink_to("nowhere")
    compiler_warnings.start(output)
    assert not path.exists()


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"mm/one.o": 1}', b"\xff"])
def test_warnings_that_were_unknown_stay_unknown(
    output: UntrustedFolder, content: bytes | None
) -> None:
    (output.path / WARNINGS).unlink()
    if content is not None:
        (output.path / WARNINGS).write_bytes(content)
    assert compiler_warnings.warned(output) is None
    compiler_warnings.start(output)
    compiler_warnings.finish(output, ONE)
    assert compiler_warnings.warned(output) is None


def test_output_that_was_cut_short_leaves_the_warnings_unknown(output: UntrustedFolder) -> None:
    compiler_warnings.start(output)
    compiler_warnings.finish(output, None)
    assert compiler_warnings.warned(output) is None
    assert list(output.path.iterdir()) == []


@pytest.mark.parametrize("name", [STARTED, WARNINGS])
@pytest.mark.parametrize("trap", ["link", "fifo", "folder", "dangling"])
def test_a_trap_of_a_third_party_makefile_is_not_followed(
    output: UntrustedFolder, tmp_path: Path, name: str, trap: str
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    path = output.path / name
    path.unlink(missing_ok=True)
    match trap:
        case "link":
            path.symlink_to(mine)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "dangling":
            path.symlink_to(tmp_path / "not there")
    compiler_warnings.start(output)
    compiler_warnings.finish(output, ONE)
    assert compiler_warnings.warned(output) == (None if name == WARNINGS else ONE)
    assert mine.read_text() == "mine"
    assert not (tmp_path / "not there").exists()


@pytest.mark.parametrize(
    ("end", "is_complete"), [("exit 2", True), ("kill -9 $$", False), ("yes | head -c 2000", False)]
)
def test_objects_stay_after_a_compile_error_and_not_after_an_interrupted_make(
    output: UntrustedFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: str,
    is_complete: bool,
) -> None:
    monkeypatch.setattr(process, "MAX_LOG_BYTES", 1000)
    program = tmp_path / "make"
    program.write_text(
        f"""#!/bin/sh
echo '  CC      mm/one.o'
echo "mm/one.c:1:1: warning: unused variable 'x'"
echo one >{output.path}/one.o
{end}
exit 2
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    made = Make(
        tmp_path,
        output.path,
        "gcc",
        sandbox=Sandbox(NO_SANDBOX),
        log=tmp_path / "log",
        deadline=Deadline(10),
    )
    with pytest.raises(ToolFailed):
        made.build("bzImage")
    assert compiler_warnings.warned(output) == (ONE if is_complete else None)
    compiler_warnings.start(output)
    assert (output.path / "one.o").exists() == is_complete
