# SPDX-License-Identifier: GPL-2.0-only
"""A project over fakes: a fake kernel in git, a series for it, a guest that never boots.

Everything between, from b4 to the record, is real, and takes a second or two.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from harness.host.cache import Cache
from harness.host.processes import venv
from harness.project.project import Project
from tests.fakes.trees import edit, git

FAKES = Path(__file__).parent
ROOT = FAKES.parent.parent
VIRTME_RUN = str(FAKES / "bin" / "virtme-run")
SERIES = """\
title: a series
function: memmap_init_zone_device
object: mm/mm_init.o
port_of: 1
follow_up: [0001-mm-mm_init-and-in-half-of-that.patch]
versions:
  - {version: 1, date: 2026-01-01, patches: 2, base: v7.2}
"""
PLAN = """\
description: a quick look
guest: pmem-128m
rebinds: 2
kconfig: [fake]
boots: {kvm: 1, tcg: 2}
boot_s: 60
"""
GUEST = """\
description: two NVDIMMs that are quickly written to
memory: 1G
namespaces:
  - {mode: fsdax, size: 128M}
  - {mode: devdax, size: 128M}
"""
CONFIG = "CONFIG_HZ=1000\nCONFIG_HIGH_RES_TIMERS=y\n"
#: Code for a process to run first, so that it uses the fake virtme-run.
USE_FAKES = "from tests.fakes.machine import use_fakes\nuse_fakes()\n"


def use_fakes() -> None:
    """Make this process use the fake virtme-run."""
    beside = venv.installed
    venv.installed = lambda name: VIRTME_RUN if name == "virtme-run" else beside(name)


#: A wrapper of the real bubblewrap that makes the fakes visible in the sandbox.
BWRAP = """\
#!/bin/sh
seen=
for arg; do
	shift
	if [ "$arg$seen" = --remount-ro ]; then
		seen=yes
		set -- "$@" --ro-bind {0} {0} {2}
	fi
	set -- "$@" "$arg"
done
exec {1} "$@"
"""


def add_bubblewrap(folder: Path, **knobs: str) -> None:
    """Write the wrapper of bubblewrap to a folder; it sets the fakes' variables `knobs`."""
    folder.mkdir(exist_ok=True)
    settings = " ".join(f"--setenv {name} {value}" for name, value in knobs.items())
    (folder / "bwrap").write_text(BWRAP.format(FAKES, shutil.which("bwrap"), settings))
    (folder / "bwrap").chmod(0o755)


#: The command line of the harness, with the fakes.
RUN = "from harness.cli import main\nmain()"
COMMAND = (sys.executable, "-c", f"{USE_FAKES}{RUN}")


def command_lines(*wanted: str) -> dict[str, str]:
    """Return the command lines, by process id, that contain all these texts."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(text in line for text in wanted):
            found[entry.name] = line
    return found


class FakeMachine:
    """A project with tree v7.2, series `test` of two patches, and plan `quick`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = COMMAND
        self.root = folder / "project"
        self.project = Project(self.root)
        self.cache = Cache(folder / "cache" / "memmap-harness")
        linux = folder / "linux"
        shutil.copytree(FAKES / "linux", linux)
        git(linux, "init", "-q", "-b", "main")
        git(linux, "add", "-A")
        git(linux, "commit", "-qm", "base")
        self._series(linux)
        git(linux, "checkout", "-q", "--detach", "HEAD~2")
        git(linux, "branch", "-qf", "main", "HEAD")
        self._write("guests/pmem-128m.yaml", GUEST)
        (self.root / "guests" / "agent").symlink_to(ROOT / "guests" / "agent")
        self._write("configs/kconfig/fake.config", CONFIG)
        self._write("configs/kconfig/fine-clock.config", "CONFIG_KPROBES=y\n")
        self._write("configs/plans/quick.yaml", PLAN)
        self._write(
            "configs/trees.yaml",
            f"v7.2: {{provider: git, repository: {str(linux)!r}, ref: main}}\n",
        )
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in ("busybox", "ndctl"):
            (self.programs / name).symlink_to(FAKES / "bin" / name)
        add_bubblewrap(self.programs)

    def _write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _series(self, linux: Path) -> None:
        """Make the series: patch 1 halves the time of a rebind, patch 2 has no visible effect.

        The follow-up halves the time again.
        """
        self._write("series/test/series.yaml", SERIES)
        edit(linux / "mm/mm_init.c", "60}", "30}")
        git(linux, "commit", "-qam", "mm/mm_init: in half the time")
        edit(linux / "mm/memremap.c", "512", "1024")
        git(linux, "commit", "-qam", "mm/memremap: map more")
        ports = self.root / "series/test/ports/v7.2"
        git(linux, "format-patch", "-q", "-o", str(ports), "HEAD~2")
        edit(linux / "mm/mm_init.c", "30}", "15}")
        git(linux, "commit", "-qam", "mm/mm_init: and in half of that")
        ours = self.root / "series/test/follow-ups/v7.2"
        git(linux, "format-patch", "-q", "-o", str(ours), "HEAD~1")
        git(linux, "reset", "-q", "--hard", "HEAD~1")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process on this machine."""
        return os.environ | {
            "MEMMAP_HARNESS_ROOT": str(self.root),
            "XDG_CACHE_HOME": str(self.cache.root.parent),
            "PATH": f"{self.programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    def harness(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the harness as a user would."""
        return subprocess.run(
            [*self.command, *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=self.environment,
            check=False,
            timeout=600,
        )

    def interrupted(self, prefix: str, *arguments: str) -> tuple[int, str]:
        """Stop a command at the first line with this prefix; return exit code and later lines."""
        child = subprocess.Popen(
            [*self.command, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.environment,
            text=True,
        )
        assert child.stderr is not None
        with child:
            for line in child.stderr:
                if line.startswith(prefix):
                    break
            child.send_signal(signal.SIGTERM)
            rest = child.stderr.read()
        return child.returncode, rest
