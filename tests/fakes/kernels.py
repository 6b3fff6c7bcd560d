# SPDX-License-Identifier: GPL-2.0-only
"""A kernel's git history and a project, for tests of commands that follow a series over tags."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.host.cache import Cache
from harness.project.project import Project
from tests.fakes.trees import git

FAKE = Path(__file__).parent / "linux"
SERIES_YAML = """\
title: a series
function: memmap_init_zone_device
object: mm/mm_init.o
port_of: 1
versions:
  - {version: 1, date: 2026-01-01, patches: 3, base: v7.2}
"""
#: The file that patches and other commits change: numbered lines and some functions.
LINES = [f"int f{n}(void);" if n % 20 == 0 else f"\tline {n};" for n in range(1, 121)]


class Kernels:
    """A repository with releases as tags, a series on the first one, and a cache."""

    def __init__(self, folder: Path) -> None:
        # Where the command line finds it if XDG_CACHE_HOME is the folder.
        self.cache = Cache(folder / "memmap-harness")
        self.linux = folder / "linux"
        shutil.copytree(FAKE, self.linux)
        git(self.linux, "init", "-q", "-b", "main")
        self.write("mm/zone.c", LINES)
        self.commit("base")
        self.tag("v7.2")

        self.project = Project(folder / "project")
        self.series = self.project.series_folder / "test"
        self.series.mkdir(parents=True)
        (self.series / "series.yaml").write_text(SERIES_YAML)
        self.project.configs.mkdir()
        self.trees(mine=self.entry("v7.2"))
        self.make_series()

    @property
    def environment(self) -> dict[str, str]:
        """The variables for a command line on this project and cache."""
        return {
            "MEMMAP_HARNESS_ROOT": str(self.project.root),
            "XDG_CACHE_HOME": str(self.cache.root.parent),
        }

    def harness(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as a user would."""
        argv = [sys.executable, "-c", "from harness.cli import main; main()", *arguments]
        env = os.environ | self.environment
        return subprocess.run(
            argv, env=env, capture_output=True, text=True, check=False, timeout=300
        )

    def entry(self, ref: str, *, url: bool = False) -> dict[str, str]:
        where = f"file://{self.linux}" if url else str(self.linux)
        return {"provider": "git", "repository": where, "ref": ref}

    def trees(self, **entries: Mapping[str, str]) -> None:
        (self.project.configs / "trees.yaml").write_text(json.dumps(entries))

    def make_series(self) -> None:
        """Make three patches: one early in the file, one late, one to another file."""
        git(self.linux, "checkout", "-q", "-b", "series", "v7.2")
        self.edit("mm/zone.c", {30: "\tours 30;"})
        self.commit("mm/zone: ours, early")
        self.edit("mm/zone.c", {90: "\tlate 90;", 91: "\tlate 91;"})
        self.commit("mm/zone: ours, late")
        self.edit("mm/memremap.c", {5: "\tmemmap_init_zone_device(memmap, 1024);"})
        self.commit("mm/memremap: map more")
        port = self.series / "ports" / "v7.2"
        git(self.linux, "format-patch", "-q", "--abbrev=12", "-o", str(port), "v7.2")
        git(self.linux, "checkout", "-q", "main")

    def write(self, file: str, lines: list[str]) -> None:
        (self.linux / file).write_text("".join(f"{line}\n" for line in lines))

    def edit(self, file: str, lines: Mapping[int, str | None], *, insert: bool = False) -> None:
        """Replace lines by number, or insert before them; None removes a line."""
        text = (self.linux / file).read_bytes().decode().split("\n")[:-1]
        for number in sorted(lines, reverse=True):
            new = lines[number]
            text[number - 1 : number if not insert else number - 1] = [] if new is None else [new]
        self.write(file, text)

    def commit(self, subject: str) -> str:
        git(self.linux, "add", "-A")
        git(self.linux, "commit", "-qm", subject)
        return git(self.linux, "rev-parse", "HEAD")

    def tag(self, name: str) -> None:
        """Tag HEAD as a release whose Makefile says so."""
        version, _, candidate = name.removeprefix("v").partition("-")
        major, minor, *third = version.split(".")
        makefile = (self.linux / "Makefile").read_text().splitlines()
        values = {
            "VERSION": major,
            "PATCHLEVEL": minor,
            "SUBLEVEL": third[0] if third else "0",
            "EXTRAVERSION": f"-{candidate}" if candidate else "",
        }
        for at, line in enumerate(makefile):
            key = line.partition(" =")[0]
            if key in values:
                makefile[at] = f"{key} = {values[key]}"
        self.write("Makefile", makefile)
        self.commit(f"Linux {name.removeprefix('v')}")
        git(self.linux, "tag", name)

    def release(self, name: str, *edits: Mapping[int, str | None], insert: bool = False) -> None:
        """Make a release on main with one commit to mm/zone.c per edit."""
        git(self.linux, "checkout", "-q", "main")
        for number, lines in enumerate(edits, 1):
            self.edit("mm/zone.c", lines, insert=insert)
            self.commit(f"mm/zone: theirs {number} for {name}")
        self.tag(name)
