# SPDX-License-Identifier: GPL-2.0-only
"""The cache repository: trees as commits, each under a tag that says where it came from.

The tags are all there is: a tree is kept when its tag is set, and that comes last.
"""

from pathlib import Path

import msgspec

from harness.git.git import Git
from harness.host import process
from harness.host.cache import Cache, publish
from harness.project.kernel import Tree

#: Trees are kept byte for byte: no line end or keyword of theirs is for git to convert.
_ATTRIBUTES = "* -text -filter -ident -working-tree-encoding\n"
_FORMAT = "%(refname:lstrip=2)%00%(contents:body)%00"


class CachedTree(msgspec.Struct, frozen=True):
    """What a tag's message holds: the tree, and a digest of the entry that it was fetched by."""

    tree: Tree
    entry: str


class CachedTrees:
    """The trees in the cache repository. Constructing it creates nothing."""

    def __init__(self, cache: Cache, *, log: Path, deadline: process.Deadline) -> None:
        self.folder = cache.repository
        self.git = Git(cache.repository, log=log, deadline=deadline, git_dir=cache.repository)
        self._cache = cache

    def create(self) -> None:
        """Make the repository unless it is there."""
        if self.folder.exists():
            return
        with self._cache.staging() as work:
            git = Git(work, log=self.git.log, deadline=self.git.deadline)
            options = ("--quiet", "--bare", "--template=", "--object-format=sha1")
            git("init", *options, "trees.git", env={"GIT_DEFAULT_HASH": "sha1"})
            (work / "trees.git" / "info").mkdir(exist_ok=True)
            (work / "trees.git" / "info" / "attributes").write_text(_ATTRIBUTES)
            publish(work / "trees.git", self.folder)

    def get(self, tag: str) -> CachedTree | None:
        """Return the tree under a tag, if it is kept and its commit can be read."""
        kept = self._read(f"refs/tags/{tag}").get(tag)
        return kept if kept is not None and self.git.has_commit(kept.tree.commit) else None

    def all(self) -> dict[str, CachedTree]:
        """Return all trees by name."""
        found = self._read("refs/tags/tree/")
        return {tag.removeprefix("tree/"): kept for tag, kept in found.items()}

    def released(self, tag: str) -> Tree | None:
        """Return the tree of a release's tag (v7.2.13): one fetched by name where there is one."""
        kept = self.get(tag)
        if kept is None:
            return None
        current = [k.tree for k in self.all().values() if k.tree.commit == kept.tree.commit]
        return current[0] if current else msgspec.structs.replace(kept.tree, name=tag)

    def releases(self) -> list[str]:
        """Return the tags of all releases."""
        return sorted(self._read("refs/tags/v*"))

    def put(self, kept: CachedTree, *, with_release: bool) -> str | None:
        """Tag a tree, its release first; return the commit a release's tag has that stays."""
        message = f"Linux {kept.tree.release}\n\n{msgspec.json.encode(kept).decode()}\n"
        tag = f"v{kept.tree.release}"
        elsewhere = None
        if with_release:
            there = self.git.commit(f"refs/tags/{tag}")
            if there is None:
                self.git("tag", "--annotate", "--force", "-m", message, tag, kept.tree.commit)
            elif there != kept.tree.commit:
                elsewhere = there
        name = f"tree/{kept.tree.name}"
        self.git("tag", "--annotate", "--force", "-m", message, name, kept.tree.commit)
        return elsewhere

    def _read(self, pattern: str) -> dict[str, CachedTree]:
        if not self.folder.is_dir():
            return {}
        done = self.git("for-each-ref", f"--format={_FORMAT}", pattern, ok=None)
        words = [word.strip() for word in done.stdout.split("\0")]
        found = {}
        for tag, text in zip(words[0::2], words[1::2], strict=False):
            try:
                found[tag] = msgspec.json.decode(text, type=CachedTree)
            except msgspec.MsgspecError:
                continue  # a tag that somebody else put there
        return found
