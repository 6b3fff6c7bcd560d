# SPDX-License-Identifier: GPL-2.0-only
"""The store: what is put arrives as it was, or not at all, on a folder and on another system."""

import uuid
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError, MachineError
from harness.jobs.cluster.store import Blob, Store


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """On a folder, and on a file system of fsspec's that is none."""
    folder = str(tmp_path / "a store")
    return Store(folder if request.param == "folder" else f"memory://{uuid.uuid4().hex}/x")


def put(store: Store, folder: Path, name: str, data: bytes) -> Blob:
    (folder / "file").write_bytes(data)
    return store.put(name, folder / "file")


def got(store: Store, folder: Path, name: str) -> bytes | None:
    blob = store.find(name)
    if blob is None:
        return None
    store.get(name, blob, folder / "got")
    return (folder / "got").read_bytes()


def test_only_what_was_stored_is_found(store: Store, tmp_path: Path) -> None:
    assert store.find("kernels/a") is None
    put(store, tmp_path, "kernels/a", b"kernel")
    put(store, tmp_path, "kernels/b", b"kernel")
    assert store.find("kernels/a") == store.find("kernels/b")
    assert got(store, tmp_path, "kernels/b") == b"kernel"
    put(store, tmp_path, "kernels/a", b"another")
    assert got(store, tmp_path, "kernels/a") == b"another"
    assert got(store, tmp_path, "kernels/b") == b"kernel"
    store.forget("kernels/b")
    store.forget("kernels/b")
    assert store.find("kernels/b") is None


@given(data=st.binary(max_size=200))
def test_any_content_can_be_stored(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    store = Store(str(folder / "store"))
    put(store, folder, "x", data)
    assert got(store, folder, "x") == data


@pytest.mark.parametrize("damage", [b"", b"kernel\0", b"Kernel"])
def test_a_damaged_file_is_refused_and_can_be_stored_again(
    store: Store, tmp_path: Path, damage: bytes
) -> None:
    blob = put(store, tmp_path, "kernels/a", b"kernel")
    files, root = fsspec.core.url_to_fs(store.url)
    path = f"{root}/sha256/{blob.sha256[:2]}/{blob.sha256}"
    files.pipe_file(path, damage)
    with pytest.raises(MachineError, match="kernels/a was damaged and has been removed"):
        got(store, tmp_path, "kernels/a")
    assert store.find("kernels/a") is None
    put(store, tmp_path, "kernels/a", b"kernel")
    assert got(store, tmp_path, "kernels/a") == b"kernel"


def test_a_damaged_name_is_not_found(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    put(store, tmp_path, "a", b"x")
    (tmp_path / "store" / "names" / "a.json").write_text("{")
    assert store.find("a") is None


def test_a_failed_write_leaves_no_part_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path / "store"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(MachineError, match="No space left on device") as caught:
        put(store, tmp_path, "a", b"x")
    assert caught.value.where == store.url
    assert [p for p in (tmp_path / "store").rglob("*") if p.is_file()] == []


def test_a_store_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(MachineError, match="every machine can read and write") as caught:
        put(Store(str(tmp_path / "taken")), tmp_path, "a", b"x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["nonesuch://bucket/x", "s3://bucket"])
def test_a_url_that_fsspec_cannot_open_is_bad_input(url: str) -> None:
    with pytest.raises(InputError, match="--store: ") as caught:
        Store(url)
    assert caught.value.exit_code == 2
