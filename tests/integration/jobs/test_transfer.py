# SPDX-License-Identifier: GPL-2.0-only
"""Commits, kernels and runs from one machine's cache to another's, with real git."""

import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from harness.errors import MachineError
from harness.git.git import Git
from harness.host import files
from harness.host.cache import Cache
from harness.host.processes import process
from harness.jobs import jobs
from harness.jobs.cluster import transfer
from harness.jobs.cluster.store import Store
from harness.jobs.graph import Done, Graph, Job
from harness.jobs.local import Local
from harness.kernel import build as kernel_build
from harness.project.kernel import Kernel, Tree
from harness.record import store
from harness.trees.tree import checked_out
from tests.fakes.machine import FakeMachine
from tests.fakes.trees import git

if TYPE_CHECKING:
    from harness.record.applied import Applied


class Scene:
    """What the user's build has, a store, and the empty cache of a worker."""

    def __init__(self, folder: Path) -> None:
        machine = FakeMachine(folder)
        self.cache = machine.cache
        self.store = Store(str(folder / "store"))
        self.there = Cache(folder / "there")
        outcomes = Local(machine.project, machine.cache).run(
            Graph(
                [
                    Job("fetch", "fetch", jobs.fetch, "v7.2"),
                    Job("apply", "apply", jobs.apply, jobs.Patches("test"), ("fetch",)),
                ]
            )
        )
        fetched, applied = outcomes["fetch"], outcomes["apply"]
        assert isinstance(fetched, Done)
        assert isinstance(applied, Done)
        self.tree: Tree = fetched.value
        self.applied: Applied = applied.value

    def send(self, value: object) -> None:
        transfer.send(self.store, self.cache, value)

    def kernel(self, cache: Cache, build_id: str = "1" * 40, image: bytes = b"image") -> Kernel:
        folder = cache.kernels / "k1"
        folder.mkdir(parents=True)
        (folder / "bzImage").write_bytes(image)
        kernel = Kernel(
            key="k1",
            commit="c",
            release="7.2.99",
            build_id=build_id,
            config_sha256="s",
            compiler="gcc",
            profile="minimal",
            fragments=(),
            folder=str(folder),
            cpu_s=1.0,
            wall_s=1.0,
        )
        (folder / kernel_build.META).write_bytes(msgspec.json.encode(kernel))
        return kernel


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_worker_can_check_out_every_prefix_that_it_received(scene: Scene) -> None:
    for value in (scene.tree, scene.applied, "of no matter"):
        scene.send(value)
    # In any order, and where the tree itself is not asked for.
    for value in (scene.applied, scene.tree, "of no matter"):
        assert transfer.receive(scene.store, scene.there, value) == value
    for k in range(3):
        commit = scene.applied.prefix(k)
        with (
            checked_out(scene.cache, scene.tree, commit) as here,
            checked_out(scene.there, scene.tree, commit) as there,
        ):
            assert contents(here) == contents(there)
            assert git(there, "rev-parse", "HEAD") == commit
            assert git(there, "status", "--porcelain") == ""
    assert git(scene.there.repository, "fsck", "--strict") == ""


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != ".git")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_what_a_worker_has_is_not_fetched_and_what_the_store_has_is_not_sent(
    scene: Scene,
) -> None:
    scene.send(scene.tree)
    transfer.receive(scene.store, scene.there, scene.tree)
    for file in (Path(scene.store.url) / "sha256").glob("*/*"):
        file.write_text("not to be read")
    scene.send(scene.tree)
    assert transfer.receive(scene.store, scene.there, scene.tree) == scene.tree


def test_what_the_store_does_not_have_is_an_error(scene: Scene) -> None:
    with pytest.raises(MachineError, match=f"commits/{scene.tree.commit} is not in the store"):
        transfer.receive(scene.store, scene.there, scene.tree)


def test_another_commit_under_a_name_is_refused(scene: Scene) -> None:
    """The store's digests match; the commit's id does not."""
    scene.send(scene.tree)
    names = Path(scene.store.url) / "names" / "commits"
    other = msgspec.structs.replace(scene.tree, commit="0" * 40)
    (names / f"{scene.tree.commit}.json").rename(names / f"{other.commit}.json")
    with pytest.raises(MachineError, match="holds no commit 000000000000"):
        transfer.receive(scene.store, scene.there, other)
    git_ = Git(scene.there.repository, log=scene.there.log("x"), deadline=process.Deadline(20))
    assert not git_.has_commit(other.commit)


def received(scene: Scene, kernel: Kernel) -> Kernel:
    here = transfer.receive(scene.store, scene.there, kernel)
    assert isinstance(here, Kernel)
    return here


def test_a_kernel_is_received_whole_with_its_new_folder(scene: Scene) -> None:
    kernel = scene.kernel(scene.cache)
    scene.send(kernel)
    here = received(scene, kernel)
    assert here == msgspec.structs.replace(kernel, folder=str(scene.there.kernels / "k1"))
    assert Path(here.image).read_bytes() == b"image"
    assert (
        msgspec.json.decode((Path(here.folder) / kernel_build.META).read_bytes(), type=Kernel)
        == here
    )
    assert list((scene.there.root / "staging").iterdir()) == []


def test_a_kernel_that_a_machine_built_is_found_by_its_key(scene: Scene) -> None:
    transfer.receive_any_kernel(scene.store, scene.there, "k1")
    assert not scene.there.kernels.exists()
    scene.send(scene.kernel(scene.cache))
    transfer.receive_any_kernel(scene.store, scene.there, "k1")
    assert (scene.there.kernels / "k1" / "bzImage").read_bytes() == b"image"


def test_the_kernel_that_was_built_is_booted_not_another_build_of_the_same(scene: Scene) -> None:
    kernel = scene.kernel(scene.cache)
    own = scene.kernel(scene.there, build_id="2" * 40, image=b"own image")
    scene.send(kernel)
    here = received(scene, kernel)
    assert (here.build_id, Path(here.image).read_bytes()) == (kernel.build_id, b"image")
    assert Path(own.image).read_bytes() == b"own image"
    assert received(scene, kernel) == here


def test_a_kernel_with_another_build_time_is_the_same_kernel(scene: Scene) -> None:
    kernel = scene.kernel(scene.cache)
    scene.kernel(scene.there)
    slower = msgspec.structs.replace(kernel, cpu_s=99.0)
    assert received(scene, slower).folder.endswith("/k1")


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "member",
    ["../evil", "/evil", "logs/../../evil", "logs//evil", link("evil"), link("../evil")],
    ids=str,
)
def test_no_member_leaves_the_folder_or_becomes_a_link(
    tmp_path: Path, member: str | zipfile.ZipInfo
) -> None:
    with zipfile.ZipFile(tmp_path / "packed", "w") as file:
        file.writestr(member, str(tmp_path))
    transfer.unpack(tmp_path / "packed", tmp_path / "in" / "folder")
    (written,) = (path for path in tmp_path.rglob("*") if path.name == "evil")
    assert written.is_relative_to(tmp_path / "in" / "folder")
    assert not written.is_symlink()
    assert written.read_text() == str(tmp_path)
    assert not Path("/evil").exists()


@pytest.mark.parametrize("damage", [b"", b"PK", "cut", "changed"])
def test_a_damaged_zip_file_is_refused(tmp_path: Path, damage: bytes | str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "memmap.npz").write_bytes(bytes(range(256)) * 100)
    packed = transfer.pack(tmp_path / "run", tmp_path)
    whole = packed.read_bytes()
    if isinstance(damage, str):
        damage = whole[:-30] if damage == "cut" else whole[:60] + b"\xff\0\xff" + whole[63:]
    packed.write_bytes(damage)
    with pytest.raises(MachineError, match="damaged"):
        transfer.unpack(packed, tmp_path / "home")


def test_a_runs_record_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    (run / "logs" / "base-1.console.log").write_text("console")
    (run / "memmap.npz").write_bytes(b"npz")
    (run / store.FILE).write_text("{}")
    packed = transfer.pack(run, tmp_path)
    there: list[set[str]] = []
    replace = files.replace_file

    def watched(path: Path, data: bytes) -> Path:
        there.append({str(p.relative_to(path.parent)) for p in path.parent.rglob("*")})
        return replace(path, data)

    monkeypatch.setattr(transfer, "replace_file", watched)
    transfer.unpack(packed, tmp_path / "home")
    assert there == [{"logs", "logs/base-1.console.log", "memmap.npz"}]
    assert contents(tmp_path / "home") == contents(run)
