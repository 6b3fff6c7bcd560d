# SPDX-License-Identifier: GPL-2.0-only
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import MachineError, TimedOut, ToolFailed, ToolMissing
from harness.host.processes import process as proc


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_output_is_returned_logged_and_passed_to_the_listener(tmp_path: Path) -> None:
    heard: list[str] = []
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    done = proc.run(
        python(code), log=tmp_path / "log", deadline=proc.Deadline(10), on_line=heard.append
    )
    assert done.stdout == "out\n"
    assert sorted(heard) == ["err", "out"]
    log = (tmp_path / "log").read_text()
    assert log.startswith("$ ")
    assert "out\n" in log
    assert "err\n" in log
    assert done.wall_s > 0


def test_standard_input_is_empty_and_the_locale_is_c(tmp_path: Path) -> None:
    code = "import os, sys; print(repr(sys.stdin.read()), os.environ['LC_ALL'])"
    done = proc.run(python(code), log=tmp_path / "log", deadline=proc.Deadline(10))
    assert done.stdout == "'' C\n"


#: What a kernel developer's shell may export, and what steers git or holds a secret.
STEERING = (
    *("LLVM", "LLVM_IAS", "ARCH", "SUBARCH", "CROSS_COMPILE", "CC", "LD", "AR", "HOSTCC", "V", "W"),
    *(
        "KCFLAGS",
        "KCPPFLAGS",
        "KAFLAGS",
        "KRUSTFLAGS",
        "CFLAGS",
        "CPPFLAGS",
        "LDFLAGS",
        "LDFLAGS_vmlinux",
    ),
    *("HOSTCFLAGS", "USERCFLAGS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEFILES", "GNUMAKEFLAGS"),
    *("O", "M", "KBUILD_OUTPUT", "KBUILD_VERBOSE", "KBUILD_EXTMOD", "LOCALVERSION", "INSTALL_PATH"),
    *("KCONFIG_ALLCONFIG", "KCONFIG_CONFIG", "KCONFIG_SEED", "KERNELVERSION", "SOURCE_DATE_EPOCH"),
    *("CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "GCC_EXEC_PREFIX", "COMPILER_PATH", "LD_PRELOAD"),
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_CONFIG_PARAMETERS", "GIT_AUTHOR_DATE"),
    *("LANG", "LC_MESSAGES", "BASH_ENV", "ENV", "PYTHONPATH", "GITHUB_TOKEN", "XPATH", "path"),
    *("MY_PATH", "HOMES", "NO_PROXY_X", "GIT_SS", "SSL_CERT_FILES"),
)
#: What programs need to work at all, to find the user's settings, or to reach the network.
NEEDED = (
    *("PATH", "HOME", "TMPDIR", "USER", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK"),
    *("http_proxy", "HTTPS_PROXY", "no_proxy", "ALL_PROXY", "GIT_SSL_CAINFO", "SSL_CERT_FILE"),
    *("REQUESTS_CA_BUNDLE", "MEMMAP_HARNESS_ROOT"),
)


@pytest.mark.parametrize("name", STEERING)
def test_steering_variables_are_not_passed_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert name not in proc.environment()


@pytest.mark.parametrize("name", NEEDED)
def test_needed_variables_are_passed_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/x")
    assert proc.environment()[name] == "/x"
    assert proc.environment({name: "/y"})[name] == "/y"


@given(st.from_regex(r"[A-Z_][A-Z0-9_]{0,20}", fullmatch=True))
def test_a_variable_is_passed_on_only_by_its_whole_name(name: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(f"X{name}", "1")
        assert f"X{name}" not in proc.environment() or name.startswith("DG_")


def test_a_program_gets_only_the_variables_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in STEERING:
        monkeypatch.setenv(name, "1")
    code = "import os; print(*os.environ)"
    done = proc.run(
        python(code), log=tmp_path / "log", deadline=proc.Deadline(10), env={"LLVM": "-19"}
    )
    assert set(STEERING) & set(done.stdout.split()) == {"LLVM"}


def test_a_failure_shows_argv_code_last_lines_and_log(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed) as caught:
        proc.run(
            python("import sys; print('the reason'); sys.exit(7)"),
            log=tmp_path / "log",
            deadline=proc.Deadline(10),
        )
    assert "exit code 7" in str(caught.value)
    assert str(tmp_path / "log") in str(caught.value)
    assert "the reason" in (caught.value.detail or "")


def test_an_accepted_exit_code_is_returned(tmp_path: Path) -> None:
    done = proc.run(
        python("import sys; sys.exit(7)"),
        log=tmp_path / "log",
        deadline=proc.Deadline(10),
        ok=(0, 7),
    )
    assert done.exit_code == 7


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no-such-program"):
        proc.run(["no-such-program"], log=tmp_path / "log", deadline=proc.Deadline(10))


def test_the_signal_that_killed_a_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="SIGKILL"):
        proc.run(
            python("import os; os.kill(os.getpid(), 9)"),
            log=tmp_path / "log",
            deadline=proc.Deadline(10),
        )


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_deadline_kills_the_whole_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stubborn: bool
) -> None:
    monkeypatch.setattr(proc, "GRACE_S", 0.3)
    code = (
        "import os, signal, time\n"
        f"if {stubborn}: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "os.write(1, b'%d\\n' % os.getpid())\n"
        "time.sleep(60)\n"
    )
    heard: list[str] = []
    began = time.monotonic()
    with pytest.raises(TimedOut, match="within 1 s"):
        proc.run(
            python(code), log=tmp_path / "log", deadline=proc.Deadline(1), on_line=heard.append
        )
    assert time.monotonic() - began < 5
    assert len(heard) == 2
    assert not any(alive(int(pid)) for pid in heard)


def test_a_grandchild_that_keeps_the_pipes_open_does_not_delay_the_end(tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    print(os.getpid(), flush=True); time.sleep(60)\n"
        "time.sleep(0.2)\n"
    )
    began = time.monotonic()
    done = proc.run(python(code), log=tmp_path / "log", deadline=proc.Deadline(30))
    assert time.monotonic() - began < 10
    assert not alive(int(done.stdout))


def test_output_is_read_after_the_program_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = proc._has_ended

    def late(process: subprocess.Popen[bytes]) -> bool:
        while not look(process):
            time.sleep(0.01)
        return True

    monkeypatch.setattr(proc, "_has_ended", late)
    code = "import time; time.sleep(1); print('last words')"
    done = proc.run(python(code), log=tmp_path / "log", deadline=proc.Deadline(30))
    assert done.stdout == "last words\n"


def test_an_exception_in_the_listener_kills_the_program(tmp_path: Path) -> None:
    pids: list[int] = []

    def stop(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        proc.run(
            python("import os, time; print(os.getpid(), flush=True); time.sleep(60)"),
            log=tmp_path / "log",
            deadline=proc.Deadline(30),
            on_line=stop,
        )
    assert not alive(pids[0])


@pytest.mark.parametrize("number", proc.INTERRUPTIONS)
def test_an_interruption_while_a_program_is_started_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def interrupted(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **options))
        signal.raise_signal(number)
        return started[0]

    def interrupt(_signal: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        monkeypatch.setattr(subprocess, "Popen", interrupted)
        with pytest.raises(KeyboardInterrupt):
            proc.run(["sleep", "100"], log=tmp_path / "log", deadline=proc.Deadline(100))
        assert signal.getsignal(number) is interrupt
    finally:
        signal.signal(number, before)
    assert not alive(started[0].pid)


def test_the_log_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proc, "MAX_LOG_BYTES", 1000)
    log = tmp_path / "log"
    done = proc.run(python("print('x' * 500)"), log=log, deadline=proc.Deadline(10))
    assert not done.was_cut
    done = proc.run(python("print('x' * 50_000)"), log=log, deadline=proc.Deadline(10))
    assert done.was_cut
    assert log.stat().st_size < 3000
    assert "log cut here" in log.read_text()


def test_invalid_utf8_is_logged_as_it_is_and_replaced_in_lines(tmp_path: Path) -> None:
    heard: list[str] = []
    code = r"import sys; sys.stdout.buffer.write(b'a\xff\xfeb\r\n')"
    proc.run(python(code), log=tmp_path / "log", deadline=proc.Deadline(10), on_line=heard.append)
    assert heard == ["a\ufffd\ufffdb"]
    assert b"\xff\xfe" in (tmp_path / "log").read_bytes()


def test_a_missing_folder_is_the_error_not_the_program(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="no such folder"):
        proc.run(
            python("pass"), log=tmp_path / "log", deadline=proc.Deadline(10), cwd=tmp_path / "gone"
        )


def test_an_error_of_watch_kills_the_program_at_once(tmp_path: Path) -> None:
    def watch(pid: int) -> None:
        assert alive(pid)
        raise MachineError("enough")

    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    began = time.monotonic()
    with pytest.raises(MachineError, match="enough"):
        proc.run(python(code), log=tmp_path / "log", deadline=proc.Deadline(30), watch=watch)
    assert time.monotonic() - began < 10


#: Says who it is and stays; the other leaves that to a child of its own.
ITSELF = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
ITS_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ITSELF!r}])"


@pytest.mark.parametrize("program", [ITSELF, ITS_CHILD])
def test_a_program_and_its_children_are_killed_with_the_harness(
    tmp_path: Path, program: str
) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom harness.host.processes import process as proc\n"
        "proc.run(['true'], log=Path(sys.argv[1]), deadline=proc.Deadline(60))\n"
        "proc.run([sys.executable, '-c', sys.argv[2]], log=Path(sys.argv[1]),"
        " deadline=proc.Deadline(60))"
    )
    log = tmp_path / "log"
    parent = subprocess.Popen([*python(code), str(log), program])
    end = time.monotonic() + 20
    said: list[str] = []
    while not (said and said[-1].isdecimal()):
        assert time.monotonic() < end
        time.sleep(0.05)
        said = log.read_text().splitlines() if log.exists() else []
    pid = int(said[-1])
    parent.kill()
    parent.wait()
    while alive(pid):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_log_that_cannot_be_written_is_the_machines_failure(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.symlink_to("/dev/full")
    with pytest.raises(MachineError, match="no space left on the device"):
        proc.run(python("print(1)"), log=log, deadline=proc.Deadline(10))


def test_output_beyond_the_limit_is_an_error_unless_any_exit_code_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proc, "MAX_STDOUT_BYTES", 100)
    with pytest.raises(ToolFailed, match="printed too much to be read"):
        proc.run(python("print('y' * 200)"), log=tmp_path / "log", deadline=proc.Deadline(10))
    done = proc.run(
        python("print('y' * 200)"), log=tmp_path / "log", deadline=proc.Deadline(10), ok=None
    )
    assert len(done.stdout) == 100


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-9, "was killed by SIGKILL"),
        (137, "was killed by SIGKILL (exit code 137)"),
        (128, "failed with exit code 128"),
        (129, "failed with exit code 129"),
        (2, "failed with exit code 2"),
    ],
)
def test_how_a_program_ended(code: int, said: str) -> None:
    assert proc.ending(code) == said


LEAVES_A_CHILD = (
    "import os, signal, sys, time\n"
    "if os.fork() == 0:\n"
    "    signal.signal(signal.SIGTERM, {how})\n"
    "    print(os.getpid(), flush=True); time.sleep(60)\n"
    "time.sleep(0.5)\n"
)


@pytest.mark.parametrize("how", ["signal.SIG_DFL", "signal.SIG_IGN"])
@pytest.mark.parametrize("is_listed", [True, False])
def test_a_group_is_signalled_while_its_leader_keeps_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, is_listed: bool
) -> None:
    """Once the leader is reaped, its number may be that of another group."""
    monkeypatch.setattr(proc, "GRACE_S", 0.5)
    killpg = os.killpg
    sent = []

    def recorded(group: int, number: int) -> None:
        sent.append((number, Path(f"/proc/{group}").exists()))
        killpg(group, number)

    monkeypatch.setattr(os, "killpg", recorded)
    if not is_listed:
        monkeypatch.setattr(proc, "_is_over", proc._has_ended)
    code = LEAVES_A_CHILD.format(how=how)
    done = proc.run(python(code), log=tmp_path / "log", deadline=proc.Deadline(30))
    assert done.exit_code == 0
    wait_for(lambda: not alive(int(done.stdout)))
    asked = [signal.SIGTERM] if is_listed else []
    assert sent == [(number, True) for number in [*asked, signal.SIGKILL]]


def test_a_program_that_leaves_nothing_costs_no_grace(tmp_path: Path) -> None:
    began = time.monotonic()
    done = proc.run(python("print(1)"), log=tmp_path / "log", deadline=proc.Deadline(30))
    assert (done.exit_code, done.stdout) == (0, "1\n")
    assert done.cpu_s > 0
    assert time.monotonic() - began < proc.GRACE_S


def test_standard_output_and_the_end_of_error_output_are_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os; os.write(1, b'out\\xff'); os.write(2, b'x' * 300 + b'end\\xfe')"
    done = proc.run(python(code), log=tmp_path / "log", deadline=proc.Deadline(10))
    assert (done.output, done.stdout) == (b"out\xff", "out\ufffd")
    assert done.errors == b"x" * 300 + b"end\xfe"
    monkeypatch.setattr(proc, "MAX_STDERR_BYTES", 100)
    done = proc.run(python(code), log=tmp_path / "log", deadline=proc.Deadline(10))
    assert (done.output, done.stdout) == (b"out\xff", "out\ufffd")
    assert done.stderr == "x" * 96 + "end\ufffd"
    assert len(done.errors) == 100
