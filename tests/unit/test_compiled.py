# SPDX-License-Identifier: GPL-2.0-only
"""What the compiler warned of is known after a make that was cut as after one that was not."""

import errno
import os
from pathlib import Path

import pytest

from harness.tools.compiled import HEARD, WARNINGS, Ear, Ledger
from harness.tools.untrusted import Folder

UNUSED = "mm/one.c:3:5: warning: unused variable 'x'"
TEXT = "mm/one.c: unused variable 'x'"


class Cut(Exception):
    """The make is killed."""


def ledger(folder: Path) -> Ledger:
    made = Ledger(Folder(folder), "/source")
    made.begin()
    return made


def make(folder: Path, name: str, *, command: bool = False) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("made")
    if command:
        path.with_name(f".{path.name}.cmd").write_text("savedcmd := cc")
    return path


def hear(ear: Ear, *lines: str) -> None:
    for line in lines:
        ear.hear(line)


def cut(of: Ledger, *lines: str, made: tuple[Path, ...] = ()) -> None:
    """A make that prints these lines, makes these files, and is killed."""
    with pytest.raises(Cut), of.hearing() as ear:
        hear(ear, *lines)
        for path in made:
            os.utime(path)
        raise Cut


def test_each_make_adds_what_it_made(tmp_path: Path) -> None:
    one = ledger(tmp_path)
    with one.hearing() as ear:
        hear(ear, "  CC      mm/one.o", UNUSED, "  CC      mm/two.o")
        assert one.warned is None, "nobody knows while it runs"
    assert one.warned == {"mm/one.o": {TEXT: 1}}
    with one.hearing() as ear:
        hear(ear, "  CC      mm/two.o")
    assert one.warned == {"mm/one.o": {TEXT: 1}}
    with one.hearing() as ear:
        hear(ear, "  CC      mm/one.o")
    assert one.warned == {}


def test_what_a_cut_make_was_heard_to_finish_stays_and_the_rest_is_made_again(
    tmp_path: Path,
) -> None:
    one = ledger(tmp_path)
    before = make(tmp_path, "mm/before.o", command=True)
    os.utime(before, ns=(1, 1))
    os.utime(before.with_name(".before.o.cmd"), ns=(1, 1))
    files = [make(tmp_path, f"mm/{name}.o") for name in ("one", "last", "silent")]
    cut(one, "  CC      mm/one.o", UNUSED, "  CC      mm/last.o", made=tuple(files))
    assert one.warned is None
    with one.hearing() as ear:
        assert [path.exists() for path in (before, *files)] == [True, True, False, False]
        hear(ear, "  CC      mm/last.o", "  CC      mm/silent.o")
    assert one.warned == {"mm/one.o": {TEXT: 1}}
    assert sorted(p.name for p in tmp_path.iterdir()) == [WARNINGS, "mm"]


def test_it_may_be_cut_again_and_again(tmp_path: Path) -> None:
    one = ledger(tmp_path)
    cut(one, "  CC      mm/one.o", UNUSED, "  CC      mm/two.o")
    cut(one, "  CC      mm/two.o", "  CC      mm/three.o")
    cut(one)
    with one.hearing():
        pass
    assert one.warned == {"mm/one.o": {TEXT: 1}}


def test_what_was_named_before_and_last_is_not_finished(tmp_path: Path) -> None:
    one = ledger(tmp_path)
    path = make(tmp_path, "vmlinux.o")
    cut(one, "  LD      vmlinux.o", "  CC      mm/one.o", "  LD      vmlinux.o", made=(path,))
    with one.hearing():
        assert not path.exists()


def test_an_object_is_newer_where_only_its_command_is(tmp_path: Path) -> None:
    one = ledger(tmp_path)
    kept = make(tmp_path, "mm/one.o", command=True)
    os.utime(kept, ns=(1, 1))
    tool = make(tmp_path, "scripts/tool", command=True)
    plain = make(tmp_path, "scripts/plain")
    cut(one, made=(kept.with_name(".one.o.cmd"), tool, plain))
    with one.hearing():
        assert [path.exists() for path in (kept, tool, plain)] == [False, False, True]


def test_a_command_that_leads_nowhere_is_new_by_itself(tmp_path: Path) -> None:
    one = ledger(tmp_path)
    kept = make(tmp_path, "mm/one.o")
    os.utime(kept, ns=(1, 1))
    cut(one)
    kept.with_name(".one.o.cmd").symlink_to("nowhere")
    with one.hearing():
        assert not kept.exists()


def test_an_absolute_name_is_one_of_the_folder(tmp_path: Path) -> None:
    one = ledger(tmp_path)
    path = make(tmp_path, "tools/check.o")
    cut(one, f"  CC      {path}", "  CC      mm/last.o", made=(path,))
    with one.hearing():
        assert path.exists()


def test_half_a_line_is_not_heard(tmp_path: Path) -> None:
    one = ledger(tmp_path)
    path = make(tmp_path, "mm/one.o")
    cut(one, "  CC      mm/one.o", "  CC      mm/two.o", made=(path,))
    with (tmp_path / HEARD).open("a") as file:
        file.write("  CC      mm/thr")
    with one.hearing():
        assert path.exists()


@pytest.mark.parametrize("found", ["", "when?\n", "-5\n", "1", "9" * 5000 + "\n"])
def test_a_make_that_had_not_begun_made_nothing(tmp_path: Path, found: str) -> None:
    one = ledger(tmp_path)
    path = make(tmp_path, "mm/one.o")
    (tmp_path / HEARD).write_text(found)
    with one.hearing():
        assert path.exists()
    assert one.warned == {}


def test_where_nobody_knew_nobody_knows(tmp_path: Path) -> None:
    one = Ledger(Folder(tmp_path), "/source")
    cut(one, "  CC      mm/one.o")
    with one.hearing() as ear:
        hear(ear, "  CC      mm/one.o", UNUSED)
    assert one.warned is None


def test_a_full_disk_is_the_makes_to_report_and_leaves_it_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ledger(tmp_path)
    with one.hearing() as ear:

        class Full:
            def write(self, _: bytes) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

            def close(self) -> None:
                pass

        monkeypatch.setattr(ear, "_file", Full())
        hear(ear, "  CC      mm/one.o", UNUSED)
    assert one.warned is None
    assert not (tmp_path / HEARD).exists()


@pytest.mark.parametrize("name", [HEARD, WARNINGS])
@pytest.mark.parametrize("trap", ["link", "fifo", "folder", "dangling"])
def test_what_a_strangers_makefile_puts_in_its_place_is_not_followed(
    tmp_path: Path, name: str, trap: str
) -> None:
    objects = tmp_path / "objects"
    objects.mkdir()
    one = ledger(objects)
    mine = tmp_path / "mine"
    mine.write_text("mine")
    path = objects / name
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
    with one.hearing() as ear:
        hear(ear, "  CC      mm/one.o", UNUSED)
    assert one.warned == (None if name == WARNINGS else {"mm/one.o": {TEXT: 1}})
    assert mine.read_text() == "mine"
    assert not (tmp_path / "not there").exists()
