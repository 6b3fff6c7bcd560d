# SPDX-License-Identifier: GPL-2.0-only
"""Copies commits, kernels and runs between machines, through the store.

A Tree, an Applied and a Kernel describe files in the cache of the machine that made them; another
machine fetches what its own cache lacks.
"""

import contextlib
import zipfile
import zlib
from pathlib import Path

import msgspec

from harness.errors import MachineError
from harness.events import Began, Listener, silent
from harness.git import packs
from harness.git.git import Git
from harness.git.repository import CachedTrees
from harness.host.cache import Cache, publish
from harness.host.files import replace_file
from harness.host.processes.process import Deadline
from harness.jobs.cluster.store import Store
from harness.kernel import build
from harness.project.kernel import Kernel, Tree
from harness.record import store as records
from harness.record.applied import Applied
from harness.trees import git_source

PACK_S = 3600


def send(store: Store, cache: Cache, value: object, listen: Listener = silent) -> None:
    """Store the commits or the kernel that a job's result describes. Raises MachineError."""
    match value:
        case Tree():
            _send_commit(store, cache, value.commit, None, listen)
        case Applied():
            _send_commit(store, cache, value.last, value.base, listen)
        case Kernel():
            name = _build_name(value)
            if store.find(name) is None or store.find(_key_name(value.key)) is None:
                with cache.staging() as work:
                    packed = pack(Path(value.folder), work)
                    store.put(name, packed)
                    store.put(_key_name(value.key), packed)
        case _:
            pass


def receive(store: Store, cache: Cache, value: object) -> object:
    """Fetch what a job's result describes into the cache; return the result with paths of here.

    Raises MachineError if the store does not have it.
    """
    match value:
        case Tree():
            _receive_commit(store, cache, value.commit)
        case Applied():
            _receive_commit(store, cache, value.base)
            _receive_commit(store, cache, value.last, value.base)
        case Kernel():
            return _receive_kernel(store, cache, value)
        case _:
            pass
    return value


def receive_any_kernel(store: Store, cache: Cache, key: str) -> None:
    """Fetch a kernel of this key into the cache, if a machine has built one."""
    folder = cache.kernels / key
    if _read(folder) is None and (blob := store.find(_key_name(key))) is not None:
        with cache.staging() as work:
            store.get(_key_name(key), blob, work / "packed")
            _publish_kernel(work, folder)


def pack(folder: Path, work: Path) -> Path:
    """Return a zip file of a folder's files, written below `work`."""
    packed = work / "packed"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return packed


def unpack(packed: Path, folder: Path) -> None:
    """Unpack a zip file into a folder; no member leaves it. Raises MachineError if it is damaged.

    A run's record is written last, so that all files that it names exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # Unlike tarfile on Debian 12, zipfile makes no links and drops ".." and "/" from names.
        with zipfile.ZipFile(packed) as file:
            names = file.namelist()
            file.extractall(folder, [name for name in names if name != records.FILE])
            if records.FILE in names:
                replace_file(folder / records.FILE, file.read(records.FILE))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise MachineError(f"the zip file is damaged: {error}", where=str(folder)) from error


def _send_commit(
    store: Store, cache: Cache, commit: str, base: str | None, listen: Listener
) -> None:
    name = f"commits/{commit}"
    if store.find(name) is None:
        listen(Began(f"store {commit[:12]}"))
        with cache.staging() as work:
            store.put(name, packs.make(_repository(cache), commit, base, work))


def _receive_commit(store: Store, cache: Cache, commit: str, base: str | None = None) -> None:
    git = _repository(cache)
    if git.has_commit(commit):
        return
    with cache.locked("trees"), cache.staging() as work:
        CachedTrees(cache, log=git.log, deadline=git.deadline).create()
        get(store, f"commits/{commit}", work / "pack")
        if base is None:
            git_source.end_history(git.folder, commit)
        packs.take(git, work / "pack", commit)


def _receive_kernel(store: Store, cache: Cache, kernel: Kernel) -> Kernel:
    """If the cache has another build of the same key, cache this one beside it."""
    for name in (kernel.key, f"{kernel.key}.{kernel.build_id}"):
        folder = cache.kernels / name
        if not folder.exists():
            with cache.staging() as work:
                get(store, _build_name(kernel), work / "packed")
                _publish_kernel(work, folder)
        found = _read(folder)
        if found is not None and _identity(found) == _identity(kernel):
            return found
    raise MachineError(f"{_build_name(kernel)} is not the kernel that was built", where=store.url)


def _identity(kernel: Kernel) -> tuple[str, ...]:
    """Return what must be equal for two kernels to be the same: all but folder and build time."""
    digests = (kernel.build_id, kernel.config_sha256, kernel.image_sha256)
    return (kernel.key, kernel.commit, kernel.release, *digests)


def _publish_kernel(work: Path, folder: Path) -> None:
    """Unpack a kernel, set its folder, and move it there."""
    unpack(work / "packed", work / "kernel")
    found = _read(work / "kernel")
    if found is None:
        raise MachineError(f"{folder.name} in the store is not a kernel")
    here = msgspec.structs.replace(found, folder=str(folder))
    (work / "kernel" / build.META).write_bytes(msgspec.json.encode(here))
    publish(work / "kernel", folder)


def _read(folder: Path) -> Kernel | None:
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((folder / build.META).read_bytes(), type=Kernel)
    return None


def get(store: Store, name: str, file: Path) -> None:
    """Copy what is stored under a name into a file. Raises MachineError."""
    blob = store.find(name)
    if blob is None:
        raise MachineError(f"{name} is not in the store", where=store.url)
    store.get(name, blob, file)


def _repository(cache: Cache) -> Git:
    folder = cache.repository
    return Git(folder, log=cache.log("transfer"), deadline=Deadline(PACK_S), git_dir=folder)


def _build_name(kernel: Kernel) -> str:
    return f"kernels/{kernel.key}.{kernel.build_id}"


def _key_name(key: str) -> str:
    return f"kernels/{key}"
