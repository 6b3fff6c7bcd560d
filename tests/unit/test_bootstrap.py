# SPDX-License-Identifier: GPL-2.0-only
"""bootstrap on machines that lack things, with fakes of apt-get, sudo and python3 on PATH.

The checkout's path has a space. Nothing here uses the network or the real package manager;
tests/fresh-machine.sh does.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TABLE = REPOSITORY / "configs" / "packages.txt"
REAL = "sh cat chmod cp cut date dirname env flock git grep head id mkdir mktemp mv rm sha256sum"
REAL += " ln nproc readlink sleep sort tr touch xargs"

# A fake appends its name and arguments to $CALLS.
LOGGED = '#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n'
FAKES = {
    "sudo": '[ "$FAKE_SUDO" = yes ] || exit 1\n[ "$1" != -n ] || shift\n"$@"\n',
    # Knows packages once its lists are there; installing one makes its commands appear.
    "apt-get": r"""
case " $* " in
*' update '*) touch "$FAKES/lists"; exit ;;
esac
case "$FAKE_APT" in
broken) echo 'E: Unable to locate package'; exit 100 ;;
no-lists) [ -e "$FAKES/lists" ] || { echo 'E: Unable to locate package'; exit 100; } ;;
stale) case " $* " in *' --simulate '*) ;; *) [ -e "$FAKES/lists" ] || exit 100 ;; esac ;;
esac
case " $* " in *' --simulate '*) exit ;; esac
echo "frontend=$DEBIAN_FRONTEND" >>"$CALLS"
while read -r need scope debian rest; do
	case " $* " in *" $debian "*) cp "$FAKES/true" "$FAKES/${need#*:}" ;; esac
done <"$TABLE"
""",
    # Serves as python3 and, copied there, as .venv/bin/python.
    "python3": r"""
case "$1 ${2-}" in
'-V '*) echo "Python $FAKE_PYTHON" ;;
'-c '*) [ "$FAKE_PYTHON" != 3.9.2 ] ;;
'-m venv') rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
'-m pip')
	sleep "$FAKE_PIP_SECONDS"
	[ "$FAKE_PIP" = works ] || exit 1
	cd "${0%/*}"
	for tool in harness ruff mypy lint-imports pytest; do
		cp "$FAKES/tool" "$tool"
	done
	;;
esac
""",
    "tool": r"""
name=${0##*/}
[ "$name" != pytest ] || echo "bytecode: ${PYTHONDONTWRITEBYTECODE-kept}" >>"$CALLS"
[ "$name" != pytest ] || echo "boot required: ${MEMMAP_HARNESS_REQUIRE_BOOT-no}" >>"$CALLS"
for argument; do printf '[%s]' "$argument"; done
echo " from $name"
[ "$name" != "$FAKE_BROKEN" ] || exit 3
""",
    "true": "",
}


class Machine:
    """A fake machine with everything installed, and a checkout on it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.calls_file = folder / "calls"
        self.checkout = folder / "a checkout"
        (self.checkout / "configs").mkdir(parents=True)
        shutil.copy(REPOSITORY / "bootstrap", self.checkout)
        shutil.copy(TABLE, self.checkout / "configs")
        (self.checkout / "pyproject.toml").write_text("[project]\n")
        subprocess.run(["git", "init", "-q", str(self.checkout)], check=True)
        for name in REAL.split():
            found = shutil.which(name)
            assert found is not None, name
            (self.bin / name).symlink_to(found)
        for row in rows():
            kind, name = row[0].split(":", 1)
            if kind in {"command", "static"} and row[1] != "extra":
                self.fake(name, "")
        for name, body in FAKES.items():
            self.fake(name, body)
        self.os_release = folder / "etc" / "os-release"
        self.os_release.parent.mkdir()
        self.env = {
            "PATH": str(self.bin),
            "CALLS": str(self.calls_file),
            "FAKES": str(self.bin),
            "TABLE": str(TABLE),
            "TMPDIR": str(folder),
            "MEMMAP_HARNESS_SYSROOT": str(folder),
            "FAKE_PYTHON": "3.12.1",
            "FAKE_PIP": "works",
            "FAKE_PIP_SECONDS": "0",
            "FAKE_SUDO": "no",
            "FAKE_APT": "works",
            "FAKE_BROKEN": "",
        }
        self.distribution("ID=debian")
        self.user(0)

    def fake(self, name: str, body: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text((LOGGED if body or name == "true" else "#!/bin/sh\n") + body)
        path.chmod(0o755)

    def lose(self, *names: str) -> None:
        for name in names:
            (self.bin / name).unlink()

    def user(self, uid: int) -> None:
        (self.bin / "id").unlink()
        self.fake("id", f"echo {uid}\n")

    def distribution(self, text: str) -> None:
        self.os_release.write_text(text + "\n")

    def start(self, *args: str, **env: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(self.checkout / "bootstrap"), *args],
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *args: str, **env: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*args, **env)
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def calls(self, pattern: str) -> list[str]:
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line for line in lines if re.search(pattern, line)]


def rows() -> list[list[str]]:
    lines = TABLE.read_text().splitlines()
    return [line.split(maxsplit=6) for line in lines if line and not line.startswith("#")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# --- the table ---


def test_every_row_of_the_table_is_complete() -> None:
    for row in rows():
        assert len(row) == 7, row
        assert re.fullmatch(r"(command|static|header|python):[\w./+-]+", row[0]), row
        assert row[1] in {"run", "test", "boot", "extra", "metal"}, row
    assert len({row[0] for row in rows()}) == len(rows())


# --- distribution packages ---


def test_user_who_is_not_root_gets_the_exact_command(machine: Machine) -> None:
    machine.user(1000)
    machine.lose("flex", "qemu-system-x86_64")
    result = machine.run("doctor")
    assert result.returncode == 2
    assert result.stderr == (
        "bootstrap: missing packages; please run: "
        "sudo apt-get install --no-install-recommends flex qemu-system-x86\n"
    )
    assert not machine.calls("apt-get")
    assert not (machine.checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        (
            "ID=fedora",
            "sudo dnf install elfutils-libelf-devel gcc glibc-devel openssl-devel",
        ),
        ('ID=rocky\nID_LIKE="rhel centos fedora"', "sudo dnf install elfutils-libelf-devel gcc"),
        ("ID=arch", "sudo pacman -S --needed gcc glibc libelf openssl qemu-system-x86"),
        (
            "ID=manjaro\nID_LIKE=arch",
            "sudo pacman -S --needed gcc glibc libelf openssl qemu-system-x86",
        ),
        (
            'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"',
            "sudo zypper install gcc glibc-devel libelf-devel libopenssl-devel qemu-x86",
        ),
        ("ID=ubuntu\nID_LIKE=debian", "sudo apt-get install --no-install-recommends gcc libc6-dev"),
    ],
)
def test_each_distribution_has_its_own_package_names(
    machine: Machine, os_release: str, command: str
) -> None:
    machine.user(1000)
    machine.lose("gcc", "qemu-system-x86_64")  # without gcc its headers are not found either
    machine.distribution(os_release)
    result = machine.run("doctor")
    assert result.returncode == 2
    assert f"please run: {command}" in result.stderr


def test_other_distributions_get_the_command_and_nothing_is_installed(machine: Machine) -> None:
    machine.lose("bc")
    machine.distribution("ID=fedora")
    result = machine.run("doctor")
    assert result.returncode == 2
    assert result.stderr == "bootstrap: missing packages; please run: dnf install bc\n"


def test_an_unknown_distribution_gets_needs_and_purposes(machine: Machine) -> None:
    machine.lose("bc", "ndctl")
    machine.distribution("ID=nixos")
    result = machine.run("doctor")
    assert result.returncode == 2
    assert re.search(r"^    command:bc +the kernel's", result.stderr, re.MULTILINE)
    assert re.search(r"^    command:ndctl +makes the namespaces", result.stderr, re.MULTILINE)
    assert "flex" not in result.stderr


def test_root_installs_without_updating_the_lists(machine: Machine) -> None:
    machine.lose("bc", "xz")
    result = machine.run("doctor")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "[doctor] from harness\n"
    assert machine.calls("^apt-get.* -y .*--no-install-recommends install bc xz-utils$")
    assert machine.calls("^frontend=noninteractive$")
    assert not machine.calls("^apt-get.* update$")


@pytest.mark.parametrize("apt", ["no-lists", "stale"])
def test_lists_are_updated_if_they_are_missing_or_stale(machine: Machine, apt: str) -> None:
    machine.lose("bc")
    assert machine.run("doctor", FAKE_APT=apt).returncode == 0
    assert len(machine.calls("^apt-get.* update$")) == 1


def test_a_failure_of_apt_is_one_line_and_69(machine: Machine) -> None:
    machine.lose("bc")
    result = machine.run("doctor", FAKE_APT="broken")
    assert result.returncode == 69
    said = result.stderr.splitlines()
    assert len(said) == 2  # what is being installed, and how that went
    assert said[1].startswith("bootstrap: apt-get failed: E: Unable to locate package (all of it: ")


def test_sudo_without_a_password_is_used(machine: Machine) -> None:
    machine.user(1000)
    machine.lose("bc")
    assert machine.run("doctor", FAKE_SUDO="yes").returncode == 0
    assert machine.calls("^sudo env DEBIAN_FRONTEND=noninteractive .*install bc$")


def test_a_package_without_its_command_is_named(machine: Machine) -> None:
    machine.lose("bc")
    machine.fake("apt-get", ":\n")
    result = machine.run("doctor")
    assert result.returncode == 2
    assert "installed bc, but still missing: command:bc" in result.stderr


def test_a_dynamic_busybox_does_not_count(machine: Machine) -> None:
    machine.user(1000)
    machine.fake("ldd", 'case $1 in *busybox) echo "libc.so.6 => /lib/libc.so.6" ;; esac\n')
    assert "please run: sudo apt-get install --no-install-recommends busybox-static\n" in (
        machine.run("doctor").stderr
    )
    machine.fake("busybox-static", "")
    assert machine.run("doctor").returncode == 0


def test_an_old_python_is_refused(machine: Machine) -> None:
    machine.user(1000)
    result = machine.run("doctor", FAKE_PYTHON="3.9.2")
    assert result.returncode == 2
    assert "no python3 >= 3.11 with venv" in result.stderr
    assert "python3-venv" in result.stderr


def test_a_python_that_no_package_fixes_is_named(machine: Machine) -> None:
    result = machine.run("doctor", FAKE_PYTHON="3.9.2")
    assert result.returncode == 2
    assert "no python3 >= 3.11 with venv" in result.stderr
    assert "installed python3-venv, but still missing: python:ensurepip" in result.stderr


# --- .venv ---


def test_second_run_calls_no_installer(machine: Machine) -> None:
    assert machine.run("doctor").returncode == 0
    assert machine.calls("-m pip install .*--editable .$")
    machine.calls_file.unlink()
    result = machine.run("report", "a b", "")
    assert result.stdout == "[report][a b][] from harness\n"
    assert result.stderr == ""
    assert not machine.calls("-m |apt-get")


def test_the_next_run_repairs_an_interrupted_first_run(machine: Machine) -> None:
    result = machine.run("doctor", FAKE_PIP="fails")
    assert result.returncode == 69
    assert "bootstrap: pip failed" in result.stderr
    half_done = machine.checkout / ".venv" / "left-over"
    half_done.touch()
    assert machine.run("doctor").returncode == 0
    assert not half_done.exists()


def test_the_next_run_repairs_a_killed_first_run(machine: Machine) -> None:
    process = machine.start("doctor", FAKE_PIP_SECONDS="20")
    deadline = time.monotonic() + 20
    while not machine.calls("-m pip") and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert machine.run("doctor").returncode == 0
    assert len(machine.calls("-m venv")) == 2


def new_dependency(machine: Machine) -> None:
    with (machine.checkout / "pyproject.toml").open("a") as project:
        project.write("dependencies = []\n")


def new_python(machine: Machine) -> None:
    machine.env["FAKE_PYTHON"] = "3.13.0"


def new_place(machine: Machine) -> None:
    machine.checkout = machine.checkout.rename(machine.checkout.with_name("moved checkout"))


@pytest.mark.parametrize(
    ("change", "environments"), [(new_dependency, 1), (new_python, 2), (new_place, 2)]
)
def test_change_is_noticed(
    machine: Machine, change: Callable[[Machine], None], environments: int
) -> None:
    assert machine.run("doctor").returncode == 0
    change(machine)
    assert machine.run("doctor").returncode == 0
    assert len(machine.calls("-m pip")) == 2
    assert len(machine.calls("-m venv")) == environments


def test_two_at_once_install_once(machine: Machine) -> None:
    both = [machine.start("doctor", FAKE_PIP_SECONDS="0.3") for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert out == "[doctor] from harness\n"
    assert len(machine.calls("-m pip")) == 1


# --- handing over ---


def test_without_arguments_it_prints_its_usage(machine: Machine) -> None:
    machine.lose("python3")
    result = machine.run()
    assert result.returncode == 0
    assert "usage: ./bootstrap VERB" in result.stdout
    assert not machine.calls(".")


def test_harness_exit_code_is_passed_on(machine: Machine) -> None:
    assert machine.run("doctor", FAKE_BROKEN="harness").returncode == 3


def test_fast_tests_run_every_check(machine: Machine) -> None:
    machine.lose("sparse", "aarch64-linux-gnu-gcc")
    result = machine.run("test", "-k", "two words", "--fast", CI="true")
    assert result.returncode == 0, result.stderr
    checks = re.findall("^== (.*)$", result.stdout, re.MULTILINE)
    assert checks == [
        "shellcheck",
        "ruff format",
        "ruff check",
        "import rules",
        "pytest unit",
        "mypy --strict",
    ]
    assert (
        "[--ignore=tests/integration][--ignore=tests/faults]"
        "[--ignore=tests/browser][--ignore=tests/boot][-k][two words] from pytest\n"
    ) in result.stdout
    assert machine.calls(r"--editable .\[dev\]$")
    assert machine.calls("boot required: no")
    # The environment of the tests serves the verbs as well.
    machine.run("doctor")
    assert len(machine.calls("-m pip")) == 1


def test_workers_share_their_bytecode(machine: Machine) -> None:
    machine.run("test", "--fast", PYTHONDONTWRITEBYTECODE="1")
    assert machine.calls("bytecode: ") == ["bytecode: kept"]


def test_a_failed_check_does_not_hide_the_others(machine: Machine) -> None:
    result = machine.run("test", "--fast", FAKE_BROKEN="mypy")
    assert result.returncode == 1
    assert result.stderr.endswith("bootstrap: failed: mypy --strict\n")
    assert "from pytest" in result.stdout


def test_full_tests_ask_for_their_tools(machine: Machine) -> None:
    machine.lose("sparse")
    machine.user(1000)
    result = machine.run("test")
    assert result.returncode == 2
    assert "install --no-install-recommends sparse" in result.stderr


def test_tests_that_measure_run_alone(machine: Machine) -> None:
    machine.fake("nproc", "echo 2\n")
    result = machine.run("test")
    beside, alone = re.findall(r"^(.*) from pytest$", result.stdout, re.MULTILINE)
    assert beside == "[-n][3][--dist][worksteal][--ignore=tests/browser][--ignore=tests/boot]"
    assert alone == "[tests/browser][tests/boot]"


def test_chosen_tests_run_once(machine: Machine) -> None:
    result = machine.run("test", "tests/boot", "-x")
    assert re.findall(r"^(.*) from pytest$", result.stdout, re.MULTILINE) == ["[tests/boot][-x]"]


@pytest.mark.parametrize(("ci", "required"), [("true", "1"), ("", "no")])
def test_in_ci_boot_tests_may_not_skip(machine: Machine, ci: str, required: str) -> None:
    assert machine.run("test", CI=ci).returncode == 0
    assert machine.calls(f"boot required: {required}$")


def test_shell_files_are_found_by_their_first_line(machine: Machine) -> None:
    machine.fake("shellcheck", ":\n")
    (machine.checkout / "agent").write_text("#!/bin/busybox sh\n")
    (machine.checkout / "not.txt").write_text("#!/usr/bin/python3\n")
    assert machine.run("test", "--fast").returncode == 0
    assert machine.calls("^shellcheck .*agent") == machine.calls("^shellcheck .*bootstrap")
    assert not machine.calls("^shellcheck .*not.txt")


def linked(
    machine: Machine, *arguments: str, path: bool = True
) -> subprocess.CompletedProcess[str]:
    home = machine.checkout.parent / "home"
    home.mkdir(exist_ok=True)
    machine.env["HOME"] = str(home)
    if path:
        machine.env["PATH"] = f"{machine.bin}:{home}/.local/bin"
    return machine.run("link", *arguments)


def test_link_puts_harness_on_the_path(machine: Machine) -> None:
    done = linked(machine)
    assert done.returncode == 0, done.stderr
    link = machine.checkout.parent / "home/.local/bin/harness"
    assert link.readlink() == machine.checkout / ".venv/bin/harness"
    assert "not on PATH" not in done.stderr
    for shell in ("bash", "zsh", "fish"):
        assert f"_HARNESS_COMPLETE={shell}_source harness" in done.stdout
    # A link of another checkout, or one that is gone, is replaced.
    link.unlink()
    link.symlink_to("/gone/.venv/bin/harness")
    assert linked(machine).returncode == 0
    assert link.readlink() == machine.checkout / ".venv/bin/harness"


def test_link_says_if_the_folder_is_not_on_the_path(machine: Machine) -> None:
    done = linked(machine, path=False)
    assert done.returncode == 0
    assert ".local/bin is not on PATH" in done.stderr


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_link_replaces_nothing_that_is_not_ours(machine: Machine, kind: str) -> None:
    place = machine.checkout.parent / "home/.local/bin"
    place.mkdir(parents=True)
    link = place / "harness"
    if kind == "file":
        link.write_text("mine")
    elif kind == "link":
        link.symlink_to("/usr/bin/true")
    else:
        link.mkdir()
    done = linked(machine)
    assert done.returncode == 2
    assert "move it away, then link again" in done.stderr
    assert not link.is_symlink() or str(link.readlink()) == "/usr/bin/true"
    assert kind != "file" or link.read_text() == "mine"


def test_link_takes_no_argument(machine: Machine) -> None:
    done = linked(machine, "more")
    assert (done.returncode, done.stderr) == (2, "bootstrap: link takes no argument: more\n")
