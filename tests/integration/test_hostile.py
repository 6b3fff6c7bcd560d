# SPDX-License-Identifier: GPL-2.0-only
"""Hostile series (tests/data/hostile): each refused or contained, what it tried being visible."""

import lzma
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.trees import git
from tests.faults.scene import ROOT, Ended, Scene, adopting, strays

HOSTILE = ROOT / "tests" / "data" / "hostile"
SECRET = "BEGIN OPENSSH PRIVATE KEY 5ec2e7"


class Victim(Scene):
    """A machine whose user has something to lose."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.home = folder / "home"
        (self.home / ".ssh").mkdir(parents=True)
        (self.home / ".ssh" / "id_ed25519").write_text(SECRET)
        self.env["HOME"] = str(self.home)
        self.env["GITHUB_TOKEN"] = SECRET
        self.env["SSH_AUTH_SOCK"] = str(self.home / "agent")

    def runs(self, verb: str, name: str, *arguments: str) -> Ended:
        """Let the harness loose on a hostile series."""
        mbox = str(HOSTILE / f"{name}.mbox")
        return self.harness(verb, "test", "--mbox", mbox, *arguments)

    def builds(self, name: str) -> Ended:
        return self.runs("build", name, "--plan", "quick")

    @property
    def log(self) -> str:
        """What the builds printed."""
        return "".join(p.read_text() for p in (self.cache / "logs").glob("build-*.log"))

    def is_unharmed(self) -> bool:
        """Nothing was written, nothing was read, nobody is left."""
        assert strays() == []
        written = [p for p in self.folder.rglob("pwned") if self.cache not in p.parents]
        assert written == []
        assert {p.name for p in self.home.iterdir()} == {".ssh"}
        for path in (self.cache / "logs").iterdir():
            assert SECRET.encode() not in path.read_bytes()
        return True


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    with adopting():
        yield Victim(tmp_path / "scene")


def test_a_makefile_that_reads_keys_finds_none(victim: Victim) -> None:
    done = victim.builds("reads-home")
    assert done.exit_code == 0, done.output
    assert "tried to read: cat: " in victim.log
    assert f"{victim.home}/.ssh/id_ed25519: No such file or directory" in victim.log
    assert "/etc/shadow: No such file or directory" in victim.log
    said = re.search(r"environment: (.*)", victim.log)
    assert said is not None
    assert not {"GITHUB_TOKEN", "SSH_AUTH_SOCK"} & set(said[1].split())
    assert victim.is_unharmed()


@pytest.mark.slow
def test_a_makefile_that_writes_elsewhere_changes_nothing(victim: Victim) -> None:
    done = victim.builds("writes-home")
    assert done.exit_code == 0, done.output
    assert "/etc/pwned: Read-only file system" in victim.log
    assert "/usr/pwned: Read-only file system" in victim.log
    assert not Path("/etc/pwned").exists()
    assert not Path("/dev/shm/pwned").exists()
    assert not list((victim.cache / "worktrees").rglob("pwned"))
    assert victim.is_unharmed()


@pytest.mark.slow
def test_a_makefile_that_calls_home_reaches_nobody(victim: Victim) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        (victim.linux / "port").write_text(str(server.getsockname()[1]))
        git(victim.linux, "add", "port")
        git(victim.linux, "commit", "-qm", "port")
        git(victim.linux, "tag", "-f", "v7.2")
        done = victim.builds("opens-socket")
        assert done.exit_code == 0, done.output
        assert re.search(r"tried to connect: .*(Network is unreachable|refused)", victim.log)
        with pytest.raises(TimeoutError):
            server.accept()
    assert victim.is_unharmed()


@pytest.mark.slow
def test_links_that_a_makefile_leaves_behind_are_not_followed(victim: Victim) -> None:
    done = victim.builds("links")
    assert done.exit_code == 3, done.output
    assert "left links" in victim.log
    assert "the build left no System.map: Too many levels of symbolic links" in done.stderr
    # Again, among what it left the first time.
    again = victim.builds("links")
    assert again.exit_code == 3, again.output
    assert (victim.home / ".ssh" / "id_ed25519").read_text() == SECRET
    kept = [p for p in (victim.cache / "kernels").rglob("*") if p.is_file()]
    assert not [p for p in kept if SECRET.encode() in p.read_bytes()]
    assert victim.is_unharmed()


@pytest.mark.slow
def test_what_one_series_leaves_is_in_no_kernel_of_another(victim: Victim) -> None:
    done = victim.builds("poison")
    assert done.exit_code == 0, done.output
    assert "left poison" in victim.log
    before = set((victim.cache / "kernels").iterdir())
    done = victim.harness("build", "test", "--plan", "quick")
    assert done.exit_code == 0, done.output
    (made,) = set((victim.cache / "kernels").iterdir()) - before
    assert b"poison" not in (made / "vmlinux").read_bytes()


@pytest.mark.slow
def test_a_strangers_kernel_is_built_from_the_objects_of_its_base(victim: Victim) -> None:
    assert victim.builds("poison").exit_code == 0
    assert victim.log.splitlines().count("  CC      mm/memremap.o") == 1, "of base"
    assert len(list((victim.cache / "objects").iterdir())) == 2


@pytest.mark.slow
def test_a_makefile_that_forks_without_end_is_ended(victim: Victim) -> None:
    done = victim.builds("forks")
    assert done.exit_code == 3, done.output
    assert re.search(r"does not build|cannot be configured", done.stderr)
    assert re.search(r"had \d+ processes, more than \d+, and was killed", done.stderr)
    assert victim.is_unharmed()


@pytest.mark.slow
def test_a_kconfig_that_runs_commands_runs_them_in_the_sandbox(victim: Victim) -> None:
    done = victim.builds("kconfig-shell")
    assert done.exit_code == 0, done.output
    assert f"{victim.home}/.ssh/id_ed25519: No such file or directory" in victim.log
    assert victim.is_unharmed()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dotdot", r"dotdot\.mbox:\d+: touches \.\./\.\./\.\./pwned, outside a kernel tree"),
        ("absolute", r"absolute\.mbox:\d+: touches /etc/pwned, outside a kernel tree"),
        ("git-folder", r"git-folder\.mbox:\d+: touches lib/\.GIT/hooks/\S+, outside a kernel tree"),
        ("symlink", r"symlink\.mbox:\d+: makes lib/out a link"),
    ],
)
def test_a_patch_that_leads_out_of_the_tree_is_refused(
    victim: Victim, name: str, says: str
) -> None:
    done = victim.runs("apply", name)
    assert done.exit_code == 2, done.output
    assert re.search(says, done.stderr), done.output
    assert not Path("/etc/pwned").exists()
    assert not victim.cache.joinpath("trees.git").exists(), "refused before anything is fetched"


@pytest.mark.slow
def test_escapes_in_a_subject_never_reach_the_terminal(victim: Victim) -> None:
    done = victim.runs("apply", "escapes")
    assert done.exit_code == 0, done.output
    assert "harmless" in done.stdout
    assert not set(done.output) & set("\x1b\x07\x9b\u202e")
    assert r"\x1b]0;pwned\x07\x1b[2J" in done.stdout


def test_a_gigantic_mbox_is_refused_at_once(victim: Victim) -> None:
    huge = victim.folder / "huge.mbox"
    huge.touch()
    os.truncate(huge, 1 << 40)
    done = victim.harness("apply", "test", "--mbox", str(huge))
    assert done.exit_code == 2
    assert "huge.mbox: is over 64 MiB; expected an mbox of one series" in done.stderr


@pytest.mark.slow
def test_a_large_mbox_of_nothing_is_refused_in_time(victim: Victim) -> None:
    mail = b"From a@b Thu Jan  1 00:00:00 2026\nFrom: a@b\nSubject: Re: [PATCH] x\n\n"
    large = victim.folder / "large.mbox"
    large.write_bytes(mail * (16 << 20 >> 6))
    began = time.process_time()
    done = victim.harness("apply", "test", "--mbox", str(large))
    assert done.exit_code == 2
    assert "large.mbox: holds over " in done.stderr
    assert time.process_time() - began < 20


@pytest.mark.slow
def test_a_decompression_bomb_is_refused_before_it_fills_the_disk(victim: Victim) -> None:
    bomb = victim.folder / "bomb.tar.xz"
    packer = lzma.LZMACompressor(preset=0)
    with bomb.open("wb") as file:
        for _ in range(512):
            file.write(packer.compress(bytes(1 << 20)))
        file.write(packer.flush())
    from tests.faults.fetch import tarball

    tarball(victim, str(bomb), bomb)
    done = victim.harness("tree", "fetch", "v7.2")
    assert done.exit_code == 2, done.output
    assert re.search(r"bomb\.tar\.xz: unpacks to over .*Do not trust this file", done.stderr)
    assert list((victim.cache / "staging").iterdir()) == []


@pytest.mark.slow
def test_a_guest_that_grasps_at_the_host_gets_nothing(victim: Victim) -> None:
    victim.flaws("grasp")
    done = victim.reproduce()
    assert done.exit_code == 0, done.output
    logs = list((victim.root / "results").rglob("*.console.log"))
    assert len(logs) == 2
    for log in logs:
        text = log.read_text()
        assert f"tried to read {victim.home}/.ssh/id_ed25519: No such file" in text
        assert "tried to read /etc/shadow: No such file" in text
        assert "tried to write /usr: Read-only file system" in text
        assert "tried to write /etc: Read-only file system" in text
        assert text.count(": Read-only file system") >= 4, "root, image, /usr, /etc"
        assert SECRET not in text
    assert list((victim.cache / "roots").rglob("pwned")) == []
    assert victim.is_unharmed()


@pytest.mark.slow
def test_no_sandbox_is_said_and_gives_up_what_it_says(victim: Victim) -> None:
    mbox = str(HOSTILE / "reads-home.mbox")
    arguments = ("--plan", "quick", "--no-sandbox")
    done = victim.harness("build", "test", "--mbox", mbox, *arguments)
    assert done.exit_code == 0, done.output
    assert "running without bubblewrap: what is built and booted can read your files" in done.stderr
    assert SECRET in victim.log, "the other tests would prove nothing"
