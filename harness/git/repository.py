# SPDX-License-Identifier: GPL-2.0-only
"""The cache repository: kernel trees as commits, each under a tag whose message says its origin.

A tree is cached once its tag is set, which comes last.
"""

from pathlib import Path

import msgspec

from harness.git.git import Git
from harness.host.cache import Cache, publish
from harness.host.processes import process
from harness.project.kernel import Tree

#: Trees are stored byte for byte: git must not convert line ends or keywords.
_ATTRIBUTES = "* -text -filter -ident -working-tree-encoding\n"
_FORMAT = "%(refname:lstrip=2)%00%(contents:body)%00"


class CachedTree(msgspec.Struct, frozen=True):
    """A tag's message: the tree, and the digest of the entry in configs/trees.yaml."""

    tree: Tree
    entry: str


class CachedTrees:
    """The trees in the cache repository. Constructing it creates nothing."""

    def __init__(self, cache: Cache, *, log: Path, deadline: process.Deadline) -> None:
        self.git = Git(cache.repository, log=log, deadline=deadline, git_dir=cache.repository)
        self._cache = cache

    def create(self) -> None:
        """Make the repository unless it exists."""
        if self.git.folder.exists():
            return
        with self._cache.staging() as work:
            git = Git(work, log=self.git.log, deadline=self.git.deadline)
            options = ("--quiet", "--bare", "--template=", "--object-format=sha1")
            git("init", *options, "trees.git", env={"GIT_DEFAULT_HASH": "sha1"})
            (work / "trees.git" / "info").mkdir(exist_ok=True)
            (work / "trees.git" / "info" / "attributes").write_text(_ATTRIBUTES)
            publish(work / "trees.git", self.git.folder)

    def get(self, tag: str) -> CachedTree | None:
        """Return the tree under a tag, if it is cached and its commit can be read."""
        found = self._read(f"refs/tags/{tag}").get(tag)
        return found if found is not None and self.git.has_commit(found.tree.commit) else None

    def all(self) -> dict[str, CachedTree]:
        """Return all trees by name."""
        found = self._read("refs/tags/tree/")
        return {tag.removeprefix("tree/"): cached for tag, cached in found.items()}

    def released(self, tag: str) -> Tree | None:
        """Return the tree of a release's tag (v7.2.13), with its name in trees.yaml if any."""
        found = self.get(tag)
        if found is None:
            return None
        named = (c.tree for c in self.all().values() if c.tree.commit == found.tree.commit)
        return next(named, msgspec.structs.replace(found.tree, name=tag))

    def releases(self) -> list[str]:
        """Return the tags of all releases."""
        return sorted(self._read("refs/tags/v*"))

    def put(self, cached: CachedTree, *, with_release: bool) -> str | None:
        """Tag a tree; return the commit of its release's tag if that is on another one."""
        tree = cached.tree
        message = f"Linux {tree.release}\n\n{msgspec.json.encode(cached).decode()}\n"
        release = self.git.commit(f"refs/tags/v{tree.release}") if with_release else tree.commit
        names = [f"v{tree.release}"] if release is None else []
        for name in (*names, f"tree/{tree.name}"):
            self.git("tag", "--annotate", "--force", "-m", message, name, tree.commit)
        return None if release in (None, tree.commit) else release

    def _read(self, pattern: str) -> dict[str, CachedTree]:
        if not self.git.folder.is_dir():
            return {}
        done = self.git("for-each-ref", f"--format={_FORMAT}", pattern, ok=None)
        words = [word.strip() for word in done.stdout.split("\0")]
        found = {}
        for tag, text in zip(words[0::2], words[1::2], strict=False):
            try:
                found[tag] = msgspec.json.decode(text, type=CachedTree)
            except msgspec.MsgspecError:
                continue  # not one of our tags
        return found
