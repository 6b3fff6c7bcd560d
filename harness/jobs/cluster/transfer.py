# SPDX-License-Identifier: GPL-2.0-only
"""What results stand for, between machines: commits, kernels and runs, by way of the store.

A Tree, an Applied and a Kernel say what is in the cache of the machine that made them; another
machine fetches what its own cache lacks.
"""

import contextlib
import shutil
import tarfile
from pathlib import Path

import msgspec

from harness.errors import MachineError
from harness.events import Began, Listener, silent
from harness.git import packs
from harness.git.git import Git
from harness.git.repository import CachedTrees
from harness.host.cache import Cache, publish
from harness.host.files import replace_file
from harness.host.process import Deadline
from harness.jobs.cluster.store import Store
from harness.kernel import build
from harness.project.kernel import Kernel, Tree
from harness.record import store as records
from harness.record.applied import Applied
from harness.trees import git_source

PACK_S = 3600


def send(store: Store, cache: Cache, value: object, listen: Listener = silent) -> None:
    """Put what a job's result stands for into the store, unless it is there. Raises MachineError.

    Values of other types stand for themselves.
    """
    match value:
        case Tree():
            _send_commit(store, cache, value.commit, None, listen)
        case Applied():
            _send_commit(store, cache, value.tip, value.base, listen)
        case Kernel():
            name = _exactly(value)
            if store.find(name) is None or store.find(_any(value.key)) is None:
                with cache.staging() as work:
                    packed = pack(Path(value.folder), work)
                    store.put(name, packed)
                    store.put(_any(value.key), packed)
        case _:
            pass


def receive(store: Store, cache: Cache, value: object) -> object:
    """Bring what a job's result stands for into the cache; return the result as it is here.

    Raises MachineError where the store does not have it.
    """
    match value:
        case Tree():
            _receive_commit(store, cache, value.commit)
        case Applied():
            _receive_commit(store, cache, value.base)
            _receive_commit(store, cache, value.tip, value.base)
        case Kernel():
            return _receive_kernel(store, cache, value)
        case _:
            pass
    return value


def receive_any_kernel(store: Store, cache: Cache, key: str) -> None:
    """Bring a kernel of this key into the cache, if any machine has built one."""
    folder = cache.kernels / key
    if _read(folder) is None and (blob := store.find(_any(key))) is not None:
        with cache.staging() as work:
            store.get(_any(key), blob, work / "packed")
            _publish_kernel(work, folder)


def pack(folder: Path, work: Path) -> Path:
    """Return a tar of what is in a folder."""
    packed = work / "packed"
    with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    return packed


def unpack(packed: Path, folder: Path) -> None:
    """Put what `pack` packed into a folder. Raises MachineError for anything that would leave it.

    A run's record comes last, so that it tells of nothing missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(packed) as tar:
            record = next((m for m in tar if m.name == records.FILE), None)
            for member in tar:
                if member is not record:
                    _take(tar, member, folder)
            if record is not None and (content := tar.extractfile(record)) is not None:
                replace_file(folder / records.FILE, content.read())
    except tarfile.TarError as error:
        raise MachineError(f"what was packed is damaged: {error}", where=str(folder)) from error


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Extract a file or folder. (Python 3.11.2, as Debian 12 has it, knows no extraction filter.)

    Raises tarfile.TarError for a name that leads out of `folder`, or a link, which may.
    """
    path = Path(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise tarfile.ExtractError(f"{member.name!r} leads out of it")
    if member.isdir():
        (folder / path).mkdir(parents=True, exist_ok=True)
        return
    content = tar.extractfile(member) if member.isfile() else None
    if content is None:
        raise tarfile.ExtractError(f"{member.name!r} is neither a file nor a folder")
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    with content, (folder / path).open("wb") as file:
        shutil.copyfileobj(content, file)


def _send_commit(
    store: Store, cache: Cache, commit: str, base: str | None, listen: Listener
) -> None:
    name = f"commits/{commit}"
    if store.find(name) is None:
        listen(Began(f"put {commit[:12]} into the store"))
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
    """Another build of the same key may be kept here: then this one is kept beside it."""
    for name in (kernel.key, f"{kernel.key}.{kernel.build_id}"):
        folder = cache.kernels / name
        if not folder.exists():
            with cache.staging() as work:
                get(store, _exactly(kernel), work / "packed")
                _publish_kernel(work, folder)
        found = _read(folder)
        if found is not None and _identity(found) == _identity(kernel):
            return found
    raise MachineError(f"{_exactly(kernel)} is another kernel than was built", where=store.url)


def _identity(kernel: Kernel) -> tuple[str, ...]:
    """What two builds of one key must share to be one kernel: all but where, and how quickly."""
    digests = (kernel.build_id, kernel.config_sha256, kernel.image_sha256)
    return (kernel.key, kernel.commit, kernel.release, *digests)


def _publish_kernel(work: Path, folder: Path) -> None:
    """Unpack and move a kernel into its place, in which it finds itself."""
    unpack(work / "packed", work / "kernel")
    found = _read(work / "kernel")
    if found is None:
        raise MachineError(f"{folder.name} in the store is no kernel")
    here = msgspec.structs.replace(found, folder=str(folder))
    (work / "kernel" / build.META).write_bytes(msgspec.json.encode(here))
    publish(work / "kernel", folder)


def _read(folder: Path) -> Kernel | None:
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((folder / build.META).read_bytes(), type=Kernel)
    return None


def get(store: Store, name: str, file: Path) -> None:
    """Bring what is in the store under a name into a file. Raises MachineError."""
    blob = store.find(name)
    if blob is None:
        raise MachineError(f"{name} is not in the store", where=store.url)
    store.get(name, blob, file)


def _repository(cache: Cache) -> Git:
    folder = cache.repository
    return Git(folder, log=cache.log("parcels"), deadline=Deadline(PACK_S), git_dir=folder)


def _exactly(kernel: Kernel) -> str:
    return f"kernels/{kernel.key}.{kernel.build_id}"


def _any(key: str) -> str:
    return f"kernels/{key}"
