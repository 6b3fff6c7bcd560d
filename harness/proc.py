# SPDX-License-Identifier: GPL-2.0-only
"""The one door to other programs.

Each runs in a process group of its own, without standard input, under a deadline, with everything
it prints in a log; when it ends, or we do, the whole group goes. Never a shell.
"""

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from harness import stop
from harness.errors import MachineError, TimedOut, ToolFailed, ToolMissing

TAIL_LINES = 12
GRACE_S = 2.0
#: What a program may print into one log. A guest that floods its console must not fill the disk.
MAX_LOG_BYTES = 64 << 20
#: What may raise KeyboardInterrupt in us.
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Variables that would change what git, make or the compiler do behind our back.
SCRUBBED = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "KCFLAGS", "CFLAGS", "CROSS_COMPILE", "ARCH")


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
    """A program that ended: its exit code, what it wrote to standard output, and its cost."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    wall_s: float
    cpu_s: float


def quoted(argv: Sequence[str]) -> str:
    """Return argv as it can be pasted into a shell."""
    return shlex.join(argv)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment in the C locale, without what would steer git or make, plus `extra`."""
    env = {k: v for k, v in os.environ.items() if k not in SCRUBBED and not k.startswith("GIT_")}
    # Where git finds its certificates is the machine's business, not steering.
    env |= {k: v for k, v in os.environ.items() if k.startswith("GIT_SSL")}
    env |= {"LC_ALL": "C"}
    return env | dict(extra or {})


class _Late(Exception):
    """The deadline has passed and the program still runs."""


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
            self._log.write(data[: self._room])
            self._log.flush()
            self._room -= len(data)
            if self._room <= 0:
                self._log.write(b"\n[log cut here: the program printed too much]\n")
        *lines, rest = (self._partial.get(stream, b"") + data).split(b"\n")
        # A "line" without end must not grow without end.
        self._partial[stream] = rest[-65536:]
        for line in lines:
            self._line(line)

    def close(self) -> None:
        for rest in self._partial.values():
            if rest:
                self._line(rest)

    def _line(self, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace").rstrip("\r")
        self.tail.append(text)
        if self._on_line is not None:
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
) -> Finished:
    """Run a program to its end and return what came of it.

    `log` is appended to; `env` is added to `environment()`; `ok` lists the exit codes that are no
    error (None: any); `on_line` hears each line of output and error output as it arrives;
    `called` names the program in errors where argv[0] is a wrapper around it; `stdin` is a file to
    read from, where a program takes its input in no other way.

    Raises ToolMissing, ToolFailed or TimedOut; on any exception the process group is killed.
    """
    argv = tuple(os.fspath(a) for a in argv)
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("ab") as sink_file:
        sink_file.write(f"$ {quoted(argv)}\n".encode())
        sink_file.flush()
        sink = _Sink(sink_file, on_line)
        stdout = bytearray()
        with _started(argv, cwd, env, stdin) as process:
            try:
                _pump(process, sink, stdout, deadline)
                cpu_s = _reap(process, deadline)
            except _Late as late:
                what = f"did not end within {deadline.seconds:.0f} s and was killed"
                raise _failure(TimedOut, argv, called, what, sink, log) from late
        sink.close()
    if ok is not None and process.returncode not in ok:
        raise _failure(ToolFailed, argv, called, _ending(process.returncode), sink, log)
    return Finished(
        argv=argv,
        exit_code=process.returncode,
        stdout=stdout.decode("utf-8", "replace"),
        wall_s=time.monotonic() - started,
        cpu_s=cpu_s,
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
        mend=f"the whole log is in {log}",
        detail="\n".join([f"$ {quoted(argv)}", *sink.tail]),
    )


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
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
        yield process
    finally:
        if process is not None:
            _kill_group(process)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def _spawned(
    argv: Sequence[str], source: IO[bytes], cwd: Path | None, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment(env),
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise ToolFailed(f"{cwd}: no such folder to run {argv[0]} in") from error
        raise ToolMissing(
            f"{argv[0]} is not installed", mend="run `harness doctor` to see what is missing"
        ) from error
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
    deadline: Deadline,
) -> None:
    """Move output until both pipes are closed, or the program has ended and left them open."""
    assert process.stdout is not None  # noqa: S101 (both are PIPE, see _started)
    assert process.stderr is not None  # noqa: S101
    out = process.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe.fileno(), selectors.EVENT_READ)
        while selector.get_map():
            stop.check()
            if deadline.remaining == 0:
                raise _Late
            ready = selector.select(min(deadline.remaining, 0.5))
            if not ready and _has_ended(process):
                return  # a grandchild holds the pipes open; it goes with the group
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fd)
                    continue
                sink.feed(key.fd, data)
                if key.fd == out:
                    stdout += data


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Look without reaping: _reap still wants the accounting."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, flags) is not None


def _reap(process: subprocess.Popen[bytes], deadline: Deadline) -> float:
    """Wait for the leader and return the CPU seconds (user and system) it and its children took."""
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime
        stop.check()
        if deadline.remaining == 0:
            raise _Late
        time.sleep(0.005)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End whatever is left of the group: asked first, killed after GRACE_S."""
    for how, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        except PermissionError:
            break  # only a zombie leader is left in the group
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if process.returncode is None:
                process.poll()
            try:
                os.killpg(process.pid, 0)
            except (ProcessLookupError, PermissionError):
                break
            time.sleep(0.02)
    if process.returncode is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
