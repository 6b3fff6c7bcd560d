# SPDX-License-Identifier: GPL-2.0-only
import io
import lzma
import tarfile
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.host import archive


def tar_of(path: Path, *members: tuple[str, bytes, str]) -> Path:
    with tarfile.open(path, "w") as made:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = target
            made.addfile(info, io.BytesIO(b""))
    return path


def test_a_valid_archive_passes(tmp_path: Path) -> None:
    archive.check(
        tar_of(
            tmp_path / "t",
            ("linux", tarfile.DIRTYPE, ""),
            ("linux/a", tarfile.REGTYPE, ""),
            ("linux/d/link", tarfile.SYMTYPE, "../a"),
            ("linux/hard", tarfile.LNKTYPE, "linux/a"),
        ),
        "t",
    )


@pytest.mark.parametrize(
    "member",
    [
        ("/etc/passwd", tarfile.REGTYPE, ""),
        ("../x", tarfile.REGTYPE, ""),
        ("linux/../../x", tarfile.REGTYPE, ""),
        ("linux/link", tarfile.SYMTYPE, "/etc/passwd"),
        ("linux/link", tarfile.SYMTYPE, "../../x"),
        ("linux/hard", tarfile.LNKTYPE, "../x"),
        ("linux/hard", tarfile.LNKTYPE, "/etc/passwd"),
        ("linux/dev", tarfile.CHRTYPE, ""),
        ("linux/pipe", tarfile.FIFOTYPE, ""),
    ],
)
def test_a_path_outside_the_archive_or_a_special_file_is_refused(
    tmp_path: Path, member: tuple[str, bytes, str]
) -> None:
    with pytest.raises(InputError, match=r"points outside|not a file"):
        archive.check(tar_of(tmp_path / "t", member), "t")


def test_a_file_that_is_not_a_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"linux\.tar\.xz: not a tar archive"):
        archive.check(tmp_path / "t", "linux.tar.xz")


@pytest.mark.parametrize("suffix", [".xz", ".gz", ".bz2"])
def test_a_damaged_archive_is_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"linux.tar{suffix}"
    file.write_bytes(b"hello")
    with pytest.raises(InputError, match=r"linux\.tar\.\w+: cannot be read"):
        archive.decompressed(file, tmp_path / "out")


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "linux.tar.xz"
    file.write_bytes(lzma.compress(b"x" * 100_000)[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        archive.decompressed(file, tmp_path / "out")


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 1 << 20)
    file = tmp_path / "linux.tar.xz"
    file.write_bytes(lzma.compress(b"\0" * (4 << 20)))
    with pytest.raises(InputError, match="unpacks to over"):
        archive.decompressed(file, tmp_path / "out")
    assert (tmp_path / "out").stat().st_size <= 1 << 20
