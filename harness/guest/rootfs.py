# SPDX-License-Identifier: GPL-2.0-only
"""The guest's root folder: static busybox, ndctl with its libraries, the agent. About 8.5 MB.

It is cached by the content of its files. The guest mounts it read-only and sees nothing else of the
host.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.guest import busybox
from harness.host.cache import Cache, publish, used
from harness.host.processes import programs, shared_libraries
from harness.host.processes.process import Deadline

AGENT = "/agent"
#: ldd and busybox take milliseconds.
_ASSEMBLE_S = 60
#: Mount points, and folders that virtme-ng's init expects.
_FOLDERS = (
    *("dev", "etc", "home", "lib/modules", "mnt", "opt", "proc", "root", "run", "sbin", "srv"),
    *("sys", "tmp", "usr/bin", "usr/sbin", "var/log", "var/tmp"),
)
_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/fstab": "",
    "etc/hosts": "127.0.0.1 localhost\n",
}


def assemble(cache: Cache, agent: str = "", more: Sequence[str] = ()) -> Path:
    """Return the root folder, with ndctl and the script `agent` (as /agent) if one is given.

    `more` are programs that it then has as well. Raises ToolMissing or MachineError if the host
    lacks one of the programs.
    """
    log, deadline = cache.log("root"), Deadline(_ASSEMBLE_S)
    shell = busybox.require_static(log, deadline)
    files = {"bin/busybox": shell}
    for name in ("ndctl", *more) if agent else ():
        program = programs.require(name)
        files[f"bin/{name}"] = program
        libraries = shared_libraries.libraries(program, log=log, deadline=deadline)
        files |= {str(path).lstrip("/"): path for path in libraries}
    folder = cache.roots / _digest(files, agent)
    if not folder.is_dir():
        with cache.staging() as work:
            _fill(work, files, busybox.applets(shell, log, deadline))
            if agent:
                script = work / AGENT.lstrip("/")
                script.write_text(agent)
                script.chmod(0o755)
            publish(work, folder)
    used(folder)
    return folder


def _fill(root: Path, files: Mapping[str, Path], applets: list[str]) -> None:
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, text in _TEXTS.items():
        (root / name).write_text(text)
    for name, source in files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)  # follows links: the loader looks for `name`
        target.chmod(0o755)
    for applet in applets:
        if not (root / "bin" / applet).exists():
            (root / "bin" / applet).symlink_to("busybox")


def _digest(files: Mapping[str, Path], agent: str) -> str:
    """Return a digest of the files' names and contents, of the agent, and of this module."""
    made_by = Path(__file__).read_bytes()
    hasher = hashlib.sha256(made_by + agent.encode())
    for name, path in sorted(files.items()):
        with path.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
        hasher.update(f"{name}\0{content}\n".encode())
    return hasher.hexdigest()[:24]
