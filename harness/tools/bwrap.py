# SPDX-License-Identifier: GPL-2.0-only
"""bubblewrap around builds and guests: no network, a read-only system, nothing of the user's.

A wrapped program sees the system read-only, an empty home, /tmp and /run, and of our folders only
those that are named. It has its own process namespace and dies with us, whatever it started and
however we die: this is what makes QEMU end after `kill -9` of the harness.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.cache import Cache
from harness.errors import HarnessError
from harness.proc import Deadline, run

PROBE_S = 20
#: Said by whoever runs a program unwrapped because `works()` is false.
UNCONFINED = "bubblewrap does not work here: running without it (`harness doctor` says why)"


def wrap(
    argv: Sequence[str],
    *,
    writable: Sequence[Path] = (),
    readable: Sequence[Path] = (),
    network: bool = False,
) -> tuple[str, ...]:
    """Return argv that runs `argv` inside bubblewrap.

    `writable` and `readable` are existing files or folders that it may use although they may lie
    in a hidden place; the rest of the system is readable, and nothing else is writable for long:
    home, /tmp, /var/tmp and /run are empty and vanish with the program. The Python that runs us
    stays visible, since virtme-ng lives beside it.
    """
    options = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    # Without bubblewrap's own process 1, which would outlive the program by a moment: as a zombie
    # that is waited for, where the machine's init is slow to reap (in containers, often).
    options.append("--as-pid-1")
    # As root, bubblewrap would leave every capability, remounting what is read-only among them.
    options += ["--cap-drop", "ALL"]
    if not network:
        options.append("--unshare-net")
    options += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    # The one device a guest is worth having for.
    options += ["--dev-bind-try", "/dev/kvm", "/dev/kvm"]
    hidden = _hidden()
    for folder in hidden:
        options += ["--tmpfs", str(folder)]
    ours = [(path, "--ro-bind") for path in (Path(sys.prefix), Path(sys.base_prefix), *readable)]
    ours += [(path, "--bind") for path in writable]
    # A folder goes before what lies in it, or it would cover it.
    for path, how in sorted(ours, key=lambda pair: len(pair[0].parts)):
        options += [how, str(path.resolve()), str(path.resolve())]
        # What led to it through a link in a hidden folder is gone with that folder.
        if path != path.resolve() and any(path.is_relative_to(h) for h in hidden):
            options += [how, str(path.resolve()), str(path)]
    options += ["--setenv", "TMPDIR", "/tmp"]  # noqa: S108 (a private one)
    return ("bwrap", *options, "--", *argv)


def _hidden() -> list[Path]:
    """Where people keep what is theirs: homes, sockets of their agents, temporary files."""
    found = {Path(p) for p in ("/home", "/root", "/run", "/tmp", "/var/tmp")}  # noqa: S108
    home = Path.home().resolve()
    if home != Path("/"):
        found.add(home)
    # A link among them (/var/tmp, say) leads to a place that is hidden or not in its own right.
    folders = [p for p in found if p.is_dir() and not p.is_symlink()]
    return sorted(folders, key=lambda p: len(p.parts))


def unusable(cache: Cache) -> str | None:
    """Try bubblewrap with all that `wrap` asks of it; return why it does not work, or None."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            argv = wrap(["touch", f"{folder}/made"], writable=[Path(folder)])
            run(argv, log=cache.log("bwrap"), deadline=Deadline(PROBE_S))
            if not os.path.lexists(f"{folder}/made"):
                return "a folder made writable in it is not the one outside"
    except HarnessError as error:
        return (error.detail or error.what).splitlines()[-1]
    return None


def works(cache: Cache) -> bool:
    """Whether programs can be wrapped on this machine. Takes some hundredths of a second."""
    return unusable(cache) is None
