# SPDX-License-Identifier: GPL-2.0-only
"""A folder filled by an untrusted program is used without following its links."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.host import untrusted_folder
from harness.host.untrusted_folder import NotMade, UntrustedFolder

SECRET = b"a key"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    path = tmp_path / "home" / "key"
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> UntrustedFolder:
    (tmp_path / "output").mkdir()
    return UntrustedFolder(tmp_path / "output")


def test_plain_files_are_read_and_copied(folder: UntrustedFolder, tmp_path: Path) -> None:
    (folder.path / "arch" / "boot").mkdir(parents=True)
    (folder.path / "arch" / "boot" / "image").write_bytes(b"\xffan image")
    assert folder.data("arch/boot/image") == b"\xffan image"
    assert folder.text("arch/boot/image") == "\ufffdan image"
    folder.copy("arch/boot/image", tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == b"\xffan image"


def link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def fifo(path: Path, _secret: Path) -> None:
    os.mkfifo(path)


def directory(path: Path, _secret: Path) -> None:
    (path / "inner").mkdir(parents=True)


def nothing(_path: Path, _secret: Path) -> None:
    pass


LEFT = [
    (link, "Too many levels of symbolic links"),
    (fifo, "not a plain file"),
    (directory, "not a plain file"),
    (nothing, "No such file or directory"),
]


@pytest.mark.parametrize(("leave", "why"), LEFT)
def test_only_plain_files_are_read(
    leave: Callable[[Path, Path], None],
    why: str,
    folder: UntrustedFolder,
    secret: Path,
    tmp_path: Path,
) -> None:
    leave(folder.path / "vmlinux", secret)
    for use in (
        lambda: folder.data("vmlinux"),
        lambda: folder.copy("vmlinux", tmp_path / "kept"),
    ):
        with pytest.raises(NotMade) as caught:
            use()
        assert caught.value.what == f"the build left no vmlinux: {why}"
        assert caught.value.exit_code == 3
    assert not (tmp_path / "kept").exists()


def test_a_link_in_place_of_a_parent_folder_is_not_followed(
    folder: UntrustedFolder, secret: Path
) -> None:
    (folder.path / "boot").symlink_to(secret.parent)
    with pytest.raises(NotMade, match="left no boot/key"):
        folder.data("boot/key")
    (folder.path / "file").write_text("")
    with pytest.raises(NotMade, match="left no file/key: Not a directory"):
        folder.data("file/key")


@pytest.mark.parametrize("leave", [leave for leave, _ in LEFT])
def test_what_has_the_name_of_a_written_file_is_replaced(
    leave: Callable[[Path, Path], None], folder: UntrustedFolder, secret: Path
) -> None:
    leave(folder.path / "note", secret)
    folder.write("note", b"ours")
    assert folder.data("note") == b"ours"
    folder.remove("note")
    folder.remove("note")
    leave(folder.path / "replay", secret)
    folder.emptied("replay").write("shim.c", b"ours too")
    assert folder.data("replay/shim.c") == b"ours too"
    assert secret.read_bytes() == SECRET
    assert sorted(p.name for p in folder.path.iterdir()) == ["replay"]
    assert [p.name for p in secret.parent.iterdir()] == ["key"]


def test_the_length_of_a_text_is_limited(
    folder: UntrustedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untrusted_folder, "MAX_TEXT_BYTES", 1 << 20)
    (folder.path / ".config").touch()
    os.truncate(folder.path / ".config", (1 << 20) + 1)
    with pytest.raises(NotMade, match=r"left no \.config: larger than 1 MiB"):
        folder.text(".config")


def test_running_out_of_descriptors_is_not_a_build_failure(
    folder: UntrustedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(untrusted_folder.os, "open", refused)
    with pytest.raises(OSError, match="Too many open files"):
        folder.data("vmlinux")
