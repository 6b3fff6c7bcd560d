# SPDX-License-Identifier: GPL-2.0-only
"""Kills the process groups that the harness leaves when it is killed.

setpriv's --pdeathsig kills a program, but not its children: bubblewrap, killed while it sets up its
sandbox, leaves one that waits for ever. So a shell is sent the number of each process group. Its
standard input ends when the harness does; then it kills those that are left.
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
    """The shell, started when first needed. Without it only --pdeathsig kills programs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._pipe = -1

    def send(self, how: str, group: int) -> None:
        """Send the number of a process group that began (`+`) or ended (`-`)."""
        with self._lock, contextlib.suppress(OSError):
            if self._owner != os.getpid():
                if self._pipe >= 0:  # a forked process needs a shell of its own
                    os.close(self._pipe)
                self._pipe = -1
                self._owner, self._pipe = os.getpid(), _start()
            os.write(self._pipe, f"{how} {group}\n".encode())


def _start() -> int:
    """Start the shell and return the write end of its pipe, which no other program inherits."""
    inner, outer = os.pipe()
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    to_inner = (os.POSIX_SPAWN_DUP2, inner, 0)
    try:
        # In a session of its own: Ctrl-C must not end it.
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
    """Kill a process group if the harness ends before it is forgotten."""
    _guard.send("+", group)


def forget(group: int) -> None:
    """Do not kill a process group any more: it has ended."""
    _guard.send("-", group)
