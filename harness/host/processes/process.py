# SPDX-License-Identifier: GPL-2.0-only
"""Runs programs. All of the harness starts them here.

Each program has a process group of its own, an empty standard input, a deadline, and a log for
everything it prints. The whole group is killed when the program ends, and when the harness does,
even by SIGKILL. No shell is involved.
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
from typing import IO, TypeVar

import msgspec

from harness.errors import HarnessError, MachineError, TimedOut, ToolFailed, ToolMissing, of_machine
from harness.host.processes import cancel, reaper

E = TypeVar("E", bound=MachineError)

_TAIL_LINES = 12
GRACE_S = 2.0
#: Limit of a log: a guest that floods its console must not fill the disk.
MAX_LOG_BYTES = 64 << 20
#: Limits of what is returned: the start of standard output, the end of error output.
MAX_STDOUT_BYTES = 64 << 20
MAX_STDERR_BYTES = 64 << 10
#: How often `watch` is called.
_WATCH_S = 0.2
#: util-linux: the kernel kills a program started through this when its parent dies.
_DIES_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
#: 128 plus one of these is a wrapper's exit code for a killed program. Of other signals it is not:
#: git exits with 128 and 129.
_DEADLY = (
    *(signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS),
    *(signal.SIGTERM, signal.SIGXFSZ, signal.SIGXCPU),
)
#: Signals that the command line turns into KeyboardInterrupt.
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Variables that are passed on: paths, the user, proxies and certificates, and the harness's own.
#: Any other may steer git, make or the compiler (GIT_DIR, LLVM, KCPPFLAGS, CPATH) or hold a secret.
_PASSED = re.compile(
    r"PATH|LD_LIBRARY_PATH|TMPDIR|HOME|USER|LOGNAME|XDG_\w+|GNUPGHOME|SSH_AUTH_SOCK|APT_CONFIG"
    r"|(?i:https?|ftp|all|no)_(?:proxy|PROXY)"
    r"|SSL_CERT_(?:FILE|DIR)|(?:CURL|REQUESTS)_CA_BUNDLE|NIX_SSL_CERT_FILE|GIT_SSL\w+"
    r"|MEMMAP_HARNESS_\w+"
)


class Deadline:
    """A point on the monotonic clock. A stage makes one and all its programs share it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())


class Finished(msgspec.Struct, frozen=True):
    """Exit code, output and cost of a program that ended.

    `errors` is the last MAX_STDERR_BYTES of its error output. `was_cut`: it printed more than
    MAX_LOG_BYTES; `on_line` did not get the rest.
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
        """Return the output as text; invalid UTF-8 is replaced."""
        return self.output.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Return the end of the error output as text; invalid UTF-8 is replaced."""
        return self.errors.decode("utf-8", "replace")

    @property
    def was_killed(self) -> bool:
        """Return whether a signal killed the program, or the one that it is a wrapper around."""
        return _was_killed(self.exit_code)


def _was_killed(code: int) -> bool:
    return code < 0 or code - 128 in _DEADLY


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of programs: the variables passed on, the C locale, and `extra`."""
    env = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
    return env | {"LC_ALL": "C"} | dict(extra or {})


class _Sink:
    """Writes output to the log, passes whole lines to a listener, and collects what is returned.

    `tail` has the last lines, for error messages.
    """

    def __init__(self, log: IO[bytes], on_line: Callable[[str], None] | None) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.stdout, self.stderr = bytearray(), bytearray()
        self._log = log
        self._room = MAX_LOG_BYTES
        self._on_line = on_line
        self._partial: dict[bool, bytes] = {}

    def feed(self, data: bytes, *, is_error: bool) -> None:
        if is_error:
            self.stderr += data
            del self.stderr[:-MAX_STDERR_BYTES]
        else:
            self.stdout += data[: MAX_STDOUT_BYTES - len(self.stdout)]
        if self._room > 0:
            self.write(data[: self._room])
            self._room -= len(data)
            if self._room <= 0:
                self.write(b"\n[log cut here: the program printed too much]\n")
        *lines, rest = (self._partial.get(is_error, b"") + data).split(b"\n")
        # Limits a line that never ends.
        self._partial[is_error] = rest[-65536:]
        # A listener gets every line; without one, only the last lines are kept for error messages.
        for line in lines if self._on_line is not None else lines[-_TAIL_LINES:]:
            self._line(line)

    @property
    def is_full(self) -> bool:
        """Return whether the log has reached its limit."""
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
        # What is not in the log must not decide anything.
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
    """Run a program until it ends and return its exit code, output and cost.

    `log` is appended to. `env` is added to `environment()`. `ok` lists the accepted exit codes
    (None: any). `on_line` gets each line of output and error output as it arrives. `called` is the
    program's name in errors if argv[0] is a wrapper. `stdin` is a file to read from. `watch` is
    called with the process id every _WATCH_S; a HarnessError that it raises kills the program.

    Raises ToolMissing, ToolFailed or TimedOut, or MachineError if the log cannot be written. On
    any exception the process group is killed.
    """
    argv = tuple(os.fspath(a) for a in argv)
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    # Unbuffered: after a crash, everything printed until then is in it.
    with log.open("ab", buffering=0) as sink_file:
        sink = _Sink(sink_file, on_line)
        sink.write(f"$ {shlex.join(argv)}\n".encode())

        def failure(kind: type[E], what: str) -> E:
            return kind(
                f"{called or argv[0]} {what}",
                hint=f"the whole log is in {log}",
                detail="\n".join([f"$ {shlex.join(argv)}", *sink.tail]),
            )

        with _started(argv, cwd, env, stdin) as process:
            try:
                _pump(process, sink, deadline, watch)
                cpu_s = _finish(process)
            except TimeoutError as late:
                what = f"did not end within {deadline.seconds:.0f} s and was killed"
                raise failure(TimedOut, what) from late
            except HarnessError:
                # What `watch` objects to gets no time to clean up.
                os.killpg(process.pid, signal.SIGKILL)
                raise
        sink.close()
    if ok is not None and process.returncode not in ok:
        error = failure(ToolFailed, ending(process.returncode))
        error.heard_to_end = not (_was_killed(process.returncode) or sink.is_full)
        raise error
    if ok is not None and len(sink.stdout) == MAX_STDOUT_BYTES:
        # Callers that accept any exit code do not read the output.
        raise failure(ToolFailed, "printed too much to be read")
    return Finished(
        argv=argv,
        exit_code=process.returncode,
        output=bytes(sink.stdout),
        errors=bytes(sink.stderr),
        wall_s=time.monotonic() - started,
        cpu_s=cpu_s,
        was_cut=sink.is_full,
    )


def ending(code: int) -> str:
    """Return how a program ended, in words, from its exit code (negative: a signal)."""
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
    # Looked up here: setpriv's exit code for a missing program could be the program's own.
    program = shutil.which(argv[0], path=whole.get("PATH"))
    if program is None and not Path(argv[0]).is_file():
        raise ToolMissing(
            f"{argv[0]} is not installed", hint="run `harness doctor` to see what is missing"
        )
    wrapper = _DIES_WITH_PARENT if shutil.which(_DIES_WITH_PARENT[0]) else ()
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
    """Delay KeyboardInterrupt until the block ends.

    Raised inside Popen(), it would leave a program running whose process id is unknown.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signal handlers run in the main thread only
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
    deadline: Deadline,
    watch: Callable[[int], None] | None,
) -> None:
    """Move output until the program has ended."""
    assert process.stdout is not None  # noqa: S101 (both are PIPE, see _started)
    assert process.stderr is not None  # noqa: S101
    errors = process.stderr.fileno()
    due = 0.0
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe.fileno(), selectors.EVENT_READ)
        while True:
            cancel.check()
            if deadline.remaining == 0:
                raise TimeoutError
            if watch is not None and time.monotonic() >= due:
                watch(process.pid)
                due = time.monotonic() + _WATCH_S
            # Without pipes it ends at any moment.
            wait_s = min(deadline.remaining, _WATCH_S) if selector.get_map() else 0.005
            ready = selector.select(wait_s)
            if not ready and _has_ended(process):
                # More may have been written since. If not, a grandchild holds the pipes open; it
                # is killed with the group.
                ready = selector.select(0)
                if not ready:
                    return
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                if data:
                    sink.feed(data, is_error=key.fd == errors)
                else:
                    selector.unregister(key.fd)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether the leader has ended, without reaping it: see _finish."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, flags) is not None


def _finish(process: subprocess.Popen[bytes]) -> float:
    """Kill the group, reap the leader and return the CPU seconds of it and its children.

    In that order: once the leader is reaped, another group may get its number.
    """
    if not _is_over(process):
        _signal(process, signal.SIGTERM)
    # Always: the list of processes may lack one that was forked meanwhile.
    _signal(process, signal.SIGKILL)
    reaper.forget(process.pid)
    # WNOHANG: a process in uninterruptible sleep does not end.
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if pid:
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _signal(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Signal the group and wait up to GRACE_S until it is over."""
    with contextlib.suppress(PermissionError):  # all that is left runs as another user
        os.killpg(process.pid, how)
    end = time.monotonic() + GRACE_S
    while not _is_over(process) and time.monotonic() < end:
        time.sleep(0.02)


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    """Return whether the leader has ended and only zombies are left in its group."""
    if not _has_ended(process):
        return False
    for name in os.listdir("/proc"):  # noqa: PTH208 (many names, and often)
        with contextlib.suppress(OSError):  # it ended meanwhile
            if name.isdecimal() and os.getpgid(int(name)) == process.pid:
                stat = Path("/proc", name, "stat").read_text(errors="replace")
                if stat.rpartition(")")[2].split()[0] != "Z":
                    return False
    return True
