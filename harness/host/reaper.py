# SPDX-License-Identifier: GPL-2.0-only
"""Ends what we started when we are gone, however we went.

A program that the kernel ends with us (setpriv's --pdeathsig) may leave children of its own: of a
bubblewrap that is killed while it sets its sandbox up, one that waits for it for ever. So a shell
beside us is told of each process group; when its standard input ends, we are gone, and it ends
those that are left.
"""

import contextlib
import os
import threading

_SHELL = "/bin/sh"
_SCRIPT = r"""
cd /
groups=' '
while read -r how group; do
	case $how in
	+) groups="$groups$group " ;;
	-) groups="${groups%% $group *} ${groups#* $group }" ;;
	esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
"""


class _Guard:
    """The shell, started when it is first needed. Without one only the kernel's signal is left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._pipe = -1

    def tell(self, how: str, group: int) -> None:
        """Tell it of a process group: `+` it is there, `-` it is gone."""
        with self._lock, contextlib.suppress(OSError):
            if self._owner != os.getpid():
                if self._pipe >= 0:  # what was forked needs one of its own
                    os.close(self._pipe)
                self._pipe = -1
                self._owner, self._pipe = os.getpid(), _start()
            os.write(self._pipe, f"{how} {group}\n".encode())


def _start() -> int:
    """Start the shell and return the end of the pipe to it; nobody else inherits that."""
    inner, outer = os.pipe()
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    to_inner = (os.POSIX_SPAWN_DUP2, inner, 0)
    try:
        # In a session of its own, so that a Ctrl-C that ends us does not end it first.
        argv = [_SHELL, "-c", _SCRIPT]
        os.posix_spawn(_SHELL, argv, {}, file_actions=[to_inner, *quiet], setsid=True)
    except OSError:
        os.close(outer)
        raise
    finally:
        os.close(inner)
    return outer


_guard = _Guard()


def watch(group: int) -> None:
    """Have a process group ended if we are gone before it is forgotten."""
    _guard.tell("+", group)


def forget(group: int) -> None:
    """Take back what watch() said: the group is gone."""
    _guard.tell("-", group)
