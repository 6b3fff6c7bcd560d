# SPDX-License-Identifier: GPL-2.0-only
"""The one door to other programs.

Each runs in a process group of its own, without standard input, under a deadline, with everything
it prints in a log; when it ends, or we do, the whole group goes; when we are killed, the program
is too. Never a shell.
"""

import contextlib
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from harness.errors import (
    HarnessError,
    MachineError,
    TimedOut,
    ToolFailed,
    ToolMissing,
    of_machine,
)
from harness.host import cancel, reaper

TAIL_LINES = 12
GRACE_S = 2.0
#: What a program may print into one log. A guest that floods its console must not fill the disk.
MAX_LOG_BYTES = 64 << 20
#: How much of a program's standard output is handed back; what needs more has a file for it.
MAX_STDOUT_BYTES = 64 << 20
#: How much of the end of its error output is handed back.
MAX_STDERR_BYTES = 64 << 10
#: How often a watched program is looked at.
WATCH_S = 0.2
#: From util-linux: the kernel ends a program started through this when we die, however we die.
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
#: Signals that end programs; others' numbers, added to 128, are exit codes of git.
_DEADLY = (
    *(signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS),
    *(signal.SIGTERM, signal.SIGXFSZ, signal.SIGXCPU),
)
#: What may raise KeyboardInterrupt in us.
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Variables that programs get: paths, the user, the way to the network, and our own. Any other may
#: steer git, make or the compiler (GIT_DIR, LLVM, KCPPFLAGS, CPATH), or hold a secret.
_PASSED = re.compile(
    r"PATH|LD_LIBRARY_PATH|TMPDIR|HOME|USER|LOGNAME|XDG_\w+|GNUPGHOME|SSH_AUTH_SOCK|APT_CONFIG"
    r"|(?i:https?|ftp|all|no)_(?:proxy|PROXY)"
    r"|SSL_CERT_(?:FILE|DIR)|(?:CURL|REQUESTS)_CA_BUNDLE|NIX_SSL_CERT_FILE|GIT_SSL\w+"
    r"|MEMMAP_HARNESS_\w+"
)


class Deadline:
    """A moment on the monotonic clock, handed down so that nested waits share one budget."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    def capped(self, seconds: float) -> "Deadline":
        """Return a deadline at most `seconds` from now and never later than this one."""
        return Deadline(min(seconds, self.remaining))


class Finished(msgspec.Struct, frozen=True):
    """A program that ended: its exit code, its output as bytes, and its cost.

    `errors` is the last MAX_STDERR_BYTES of its error output. `was_cut` tells that it printed more
    than is kept, so that the rest went unheard.
    """

    argv: tuple[str, ...]
    exit_code: int
    output: bytes
    errors: bytes
    wall_s: float
    cpu_s: float
    was_cut: bool = False

    @property
    def stdout(self) -> str:
        """Its output as text; what is not UTF-8 is replaced."""
        return self.output.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """The end of its error output as text; what is not UTF-8 is replaced."""
        return self.errors.decode("utf-8", "replace")

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it, or what it is a wrapper of."""
        return self.exit_code < 0 or self.exit_code - 128 in _DEADLY


def quoted(argv: Sequence[str]) -> str:
    """Return argv as it can be pasted into a shell."""
    return shlex.join(argv)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what programs get of our environment, in the C locale, plus `extra`."""
    env = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
    env |= {"LC_ALL": "C"}
    return env | dict(extra or {})


class _Late(Exception):
    """The deadline has passed and the program still runs."""


class _Unwelcome(Exception):
    """Whoever watches the program wants it ended at once; its cause is the reason."""


class _Sink:
    """Where output goes: the log, the tail for error messages, whole lines to a listener."""

    def __init__(self, log: IO[bytes], on_line: Callable[[str], None] | None) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._log = log
        self._room = MAX_LOG_BYTES
        self._on_line = on_line
        self._partial: dict[int, bytes] = {}

    def feed(self, stream: int, data: bytes) -> None:
        if self._room > 0:
            self.write(data[: self._room])
            self._room -= len(data)
            if self._room <= 0:
                self.write(b"\n[log cut here: the program printed too much]\n")
        *lines, rest = (self._partial.get(stream, b"") + data).split(b"\n")
        # A "line" without end must not grow without end.
        self._partial[stream] = rest[-65536:]
        for line in lines:
            self._line(line)

    @property
    def is_full(self) -> bool:
        """Whether more came than is kept."""
        return self._room <= 0

    def write(self, data: bytes) -> None:
        try:
            self._log.write(data)
        except OSError as error:
            raise of_machine(error, self._log.name) or error from error

    def close(self) -> None:
        for rest in self._partial.values():
            if rest:
                self._line(rest)

    def _line(self, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace").rstrip("\r")
        self.tail.append(text)
        # A flood is not listened to: what is not kept decides nothing.
        if self._on_line is not None and not self.is_full:
            self._on_line(text)


def run(
    argv: Sequence[str],
    *,
    log: Path,
    deadline: Deadline,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    ok: Sequence[int] | None = (0,),
    on_line: Callable[[str], None] | None = None,
    called: str | None = None,
    stdin: Path | None = None,
    watch: Callable[[int], None] | None = None,
) -> Finished:
    """Run a program to its end and return what came of it.

    `log` is appended to; `env` is added to `environment()`; `ok` lists the exit codes that are no
    error (None: any); `on_line` hears each line of output and error output as it arrives;
    `called` names the program in errors where argv[0] is a wrapper around it; `stdin` is a file to
    read from, where a program takes its input in no other way; `watch` is called every WATCH_S with
    the program's process id, and what HarnessError it raises ends the program without mercy.

    Raises ToolMissing, ToolFailed or TimedOut, or MachineError where the log cannot be written; on
    any exception the process group is killed.
    """
    argv = tuple(os.fspath(a) for a in argv)
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    # Unbuffered, so that what was printed before a crash is in it.
    with log.open("ab", buffering=0) as sink_file:
        sink = _Sink(sink_file, on_line)
        sink.write(f"$ {quoted(argv)}\n".encode())
        stdout, stderr = bytearray(), bytearray()
        with _started(argv, cwd, env, stdin) as process:
            try:
                _pump(process, sink, stdout, stderr, deadline, watch)
                _wait(process, deadline)
                cpu_s = _finish(process)
            except _Late as late:
                what = f"did not end within {deadline.seconds:.0f} s and was killed"
                raise _failure(TimedOut, argv, called, what, sink, log) from late
            except _Unwelcome as unwelcome:
                os.killpg(process.pid, signal.SIGKILL)
                assert isinstance(unwelcome.__cause__, HarnessError)  # noqa: S101 (see _pump)
                raise unwelcome.__cause__ from None
        sink.close()
    if ok is not None and process.returncode not in ok:
        raise _failure(ToolFailed, argv, called, ending(process.returncode), sink, log)
    if ok is not None and len(stdout) == MAX_STDOUT_BYTES:
        # Half an answer is none. Whoever takes any exit code does not read the output.
        raise _failure(ToolFailed, argv, called, "printed too much to be read", sink, log)
    return Finished(
        argv=argv,
        exit_code=process.returncode,
        output=bytes(stdout),
        errors=bytes(stderr),
        wall_s=time.monotonic() - started,
        cpu_s=cpu_s,
        was_cut=sink.is_full,
    )


def _failure(
    kind: type[MachineError],
    argv: Sequence[str],
    called: str | None,
    what: str,
    sink: _Sink,
    log: Path,
) -> MachineError:
    return kind(
        f"{called or argv[0]} {what}",
        hint=f"the whole log is in {log}",
        detail="\n".join([f"$ {quoted(argv)}", *sink.tail]),
    )


def ending(code: int) -> str:
    """Say how a program ended. A wrapper whose program was killed exits with 128 and the signal."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    if code - 128 in _DEADLY:
        return f"was killed by {signal.Signals(code - 128).name} (exit code {code})"
    return f"failed with exit code {code}"


@contextlib.contextmanager
def _started(
    argv: Sequence[str],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stdin: Path | None,
) -> Iterator[subprocess.Popen[bytes]]:
    process = None
    try:
        with Path(stdin or os.devnull).open("rb") as source, _interruptions_held():
            process = _spawned(argv, source, cwd, env)
            reaper.watch(process.pid)
        yield process
    finally:
        if process is not None:
            if process.returncode is None:
                _finish(process)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def _spawned(
    argv: Sequence[str], source: IO[bytes], cwd: Path | None, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    whole = environment(env)
    if cwd is not None and not cwd.is_dir():
        raise ToolFailed(f"{cwd}: no such folder to run {argv[0]} in")
    # Looked up here, as the wrapper's own words for its absence would be those of any failure.
    program = shutil.which(argv[0], path=whole.get("PATH"))
    if program is None and not Path(argv[0]).is_file():
        raise ToolMissing(
            f"{argv[0]} is not installed", hint="run `harness doctor` to see what is missing"
        )
    wrapper = DIES_WITH_US if shutil.which(DIES_WITH_US[0]) else ()
    try:
        return subprocess.Popen(
            [*wrapper, program, *argv[1:]] if program else argv,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=whole,
            start_new_session=True,
        )
    except PermissionError as error:
        raise ToolFailed(f"{argv[0]} cannot be executed: {error.strerror}") from error


@contextlib.contextmanager
def _interruptions_held() -> Iterator[None]:
    """Put off what a signal would raise until the block ends.

    A program that is half started, when KeyboardInterrupt is raised, has nobody who would end it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # nothing is raised in other threads
        return
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _frame: caught.append(got))
        for number in INTERRUPTIONS
        if callable(signal.getsignal(number))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for held in caught:
            signal.raise_signal(held)


def _pump(
    process: subprocess.Popen[bytes],
    sink: _Sink,
    stdout: bytearray,
    stderr: bytearray,
    deadline: Deadline,
    watch: Callable[[int], None] | None,
) -> None:
    """Move output until both pipes are closed, or the program has ended and left them open."""
    assert process.stdout is not None  # noqa: S101 (both are PIPE, see _started)
    assert process.stderr is not None  # noqa: S101
    out = process.stdout.fileno()
    look = _watcher(process, watch)
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe.fileno(), selectors.EVENT_READ)
        while selector.get_map():
            cancel.check()
            if deadline.remaining == 0:
                raise _Late
            look()
            ready = selector.select(min(deadline.remaining, WATCH_S))
            if not ready and _has_ended(process):
                # Its last words may have come since nothing was ready. If they have not, a
                # grandchild holds the pipes open; it goes with the group.
                ready = selector.select(0)
                if not ready:
                    return
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fd)
                    continue
                sink.feed(key.fd, data)
                if key.fd == out:
                    stdout += data[: MAX_STDOUT_BYTES - len(stdout)]
                else:
                    stderr += data
                    del stderr[:-MAX_STDERR_BYTES]


def _watcher(
    process: subprocess.Popen[bytes], watch: Callable[[int], None] | None
) -> Callable[[], None]:
    """Return what looks at the program, as often as is due."""
    due = 0.0

    def look() -> None:
        nonlocal due
        if watch is None or time.monotonic() < due:
            return
        due = time.monotonic() + WATCH_S
        try:
            watch(process.pid)
        except HarnessError as error:
            raise _Unwelcome from error

    return look


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Look without reaping: _finish still wants the accounting, and the group's number."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, flags) is not None


def _wait(process: subprocess.Popen[bytes], deadline: Deadline) -> None:
    """Wait for the leader to end."""
    while not _has_ended(process):
        cancel.check()
        if deadline.remaining == 0:
            raise _Late
        time.sleep(0.005)


def _finish(process: subprocess.Popen[bytes]) -> float:
    """End what is left of the group, then reap the leader.

    Return the CPU seconds (user and system) that the leader and its children took. Until the leader
    is reaped, no other group can get its number; after that a signal could reach one.
    """
    if not _is_over(process):
        _signal(process, signal.SIGTERM)
    # Always, as the list of processes may have missed one that was forked meanwhile.
    _signal(process, signal.SIGKILL)
    reaper.forget(process.pid)
    # It does not end where the kernel cannot end it.
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if pid:
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _signal(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Signal the group, and give it GRACE_S to end."""
    with contextlib.suppress(PermissionError):  # all that are left run as another user
        os.killpg(process.pid, how)
    end = time.monotonic() + GRACE_S
    while not _is_over(process) and time.monotonic() < end:
        time.sleep(0.02)


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    """Return whether the leader can be reaped, and zombies are all that is left of its group."""
    if not _has_ended(process):
        return False
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            if folder.name.isdecimal() and os.getpgid(int(folder.name)) == process.pid:
                stat = (folder / "stat").read_text(errors="replace")
                if stat.rpartition(")")[2].split()[0] != "Z":
                    return False
    return True
