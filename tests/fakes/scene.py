# SPDX-License-Identifier: GPL-2.0-only
"""A small kernel source as a folder, repository or tarball, beside a project and a cache."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from harness.events import Event
from harness.host.cache import Cache
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.trees.tree import fetch
from tests.fakes.trees import edit, git

FAKE = Path(__file__).parent / "linux"


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file's content and modification time."""
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.is_symlink()
    }


class Scene:
    """A project with an empty cache, and a kernel source that can become a repository."""

    def __init__(self, folder: Path) -> None:
        # A space, and a repository around the cache: neither may matter.
        self.folder = folder / "a folder"
        self.folder.mkdir()
        git(self.folder, "init", "-q")
        self.project = Project(self.folder / "project")
        self.project.configs.mkdir(parents=True)
        self.cache = Cache(self.folder / "cache")
        self.linux = self.folder / "linux"
        shutil.copytree(FAKE, self.linux)
        (self.linux / ".gitignore").write_text("/*\n*.o\n")
        (self.linux / ".gitattributes").write_text("*.c text eol=crlf\n")
        (self.linux / "link").symlink_to("mm/mm_init.c")
        (self.linux / "scripts").mkdir()
        (self.linux / "scripts" / "run me.sh").write_text("#!/bin/sh\n")
        (self.linux / "scripts" / "run me.sh").chmod(0o755)
        (self.linux / "dos.c").write_bytes(b"a\r\nb\r\n")

    def trees(self, **entries: dict[str, str]) -> None:
        (self.project.configs / "trees.yaml").write_text(json.dumps(entries))

    def repository(self) -> tuple[str, str]:
        """Make the source a repository with tags v7.2.98 and v7.2.99."""
        (self.linux / ".gitattributes").unlink()
        git(self.linux, "init", "-q", "-b", "main")
        git(self.linux, "add", "-Af")
        git(self.linux, "commit", "-qm", "one")
        git(self.linux, "tag", "v7.2.98")
        edit(self.linux / "mm/mm_init.c", "refcount = 0", "refcount = 1")
        git(self.linux, "commit", "-qam", "two")
        git(self.linux, "tag", "-am", "Linux 7.2.99", "v7.2.99")
        return git(self.linux, "rev-parse", "v7.2.98"), git(self.linux, "rev-parse", "HEAD")

    def packed(self, name: str = "linux.tar.xz") -> dict[str, str]:
        """Pack the source and return its entry."""
        file = self.folder / name
        argv = ["tar", "-C", str(self.folder), "-caf", str(file), "linux"]
        subprocess.run(argv, check=True)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return {"provider": "tarball", "location": str(file), "sha256": digest}

    def fetch(self, name: str, listen: Callable[[Event], None] = lambda _e: None) -> Tree:
        return fetch(self.project, self.cache, name, listen)

    def nothing_is_stored(self) -> bool:
        repository = self.cache.repository
        tags = git(repository, "tag") if repository.exists() else ""
        return tags == "" and not list((self.cache.root / "staging").glob("*"))


def git_entry(scene: Scene, ref: str, repository: object = None) -> dict[str, str]:
    return {"provider": "git", "repository": str(repository or scene.linux), "ref": ref}
