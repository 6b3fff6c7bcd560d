# SPDX-License-Identifier: GPL-2.0-only
"""Chooses the tree to apply a series to, and says why in one line.

In this order: the one asked for; the commit that the mails name (base-commit); a base that the
cover letter names in words; the newest release that has the files the patches were made from; the
default. A base that is named but cannot be had is noted, never replaced in silence.
"""

import contextlib
import time
from collections.abc import Callable, Iterator

import msgspec

from harness.errors import HarnessError, InputError
from harness.events import Listener, Note, silent
from harness.git.git import Git, lines
from harness.host import units
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.host.processes.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.release import Order, order
from harness.project.tree_source import GitSource, TreeSource
from harness.series import read
from harness.series.bases import base as origin
from harness.series.bases.named import NamedBase, named_bases, prerequisites
from harness.series.mails.messages import read_mails
from harness.series.source import Commits, Port, Posted, Source
from harness.trees import clones, git_source, names, tree

SEARCH_S = 120
#: Folder of the cache with a file per base that could not be had, and how long that is remembered.
ABSENT = "absent"
REMEMBERED_S = 3600
#: Releases of one clone that are compared with the patches, newest first: three years of mainline.
MAX_RELEASES = 200


#: Nothing to explain.
AS_ASKED = "as asked for"


class Base(msgspec.Struct, frozen=True):
    """The name of the tree to apply a series to, and why it is that."""

    tree: str
    why: str

    @property
    def line(self) -> str:
        """The decision in one line."""
        return f"base {self.tree}: {self.why}"


def choose(
    project: Project,
    cache: Cache,
    slug: str,
    source: Source | None,
    *,
    asked: str | None = None,
    default: str,
    listen: Listener = silent,
) -> Base:
    """Return the base of a series. `source` None is its port for the tree.

    `asked` is a tree's name, a release, or a revision of the project's repository. What was tried
    and did not answer is noted. Raises InputError for an unknown name or unreadable mails.
    """
    if asked is not None:
        return _asked(project, cache, asked, listen)
    match source:
        case None:
            return Base(default, "the default")
        case Port(name):
            known = name in project.trees() or order(name) is not None
            return Base(name, "the port's") if known else Base(default, "the default")
        case Commits(repository, commit):
            found = tree.fetch(project, cache, f"{repository}@{commit}", listen)
            return Base(found.name, "the commit below the patches")
        case _:
            return _Search(project, cache, slug, source, listen).choose(default)


def _asked(project: Project, cache: Cache, asked: str, listen: Listener) -> Base:
    """Return the tree that a user names; a revision of the user's repository comes first."""
    repository = project.repository
    if names.repository_at(asked):
        return Base(tree.fetch(project, cache, asked, listen).name, asked)
    if repository is None or asked.startswith("tree/"):
        return Base(asked.removeprefix("tree/"), AS_ASKED)
    log, deadline = cache.log("choose-base"), Deadline(SEARCH_S)
    git = git_source.opened(project.root, GitSource(str(repository), "HEAD"), log, deadline)
    if git is None or asked.startswith("-") or git.commit(asked) is None:
        # Now, because only here it is known which repository to use instead of a URL.
        return Base(tree.fetch(project, cache, asked, listen).name, AS_ASKED)
    found = tree.fetch(project, cache, f"{repository}@{asked}", listen)
    why = f"{asked} of {repository}"
    if names.is_entry(project, asked):
        why += f"; `tree/{asked}` is the tree of configs/trees.yaml"
    return Base(found.name, why)


class _Search:
    """A search for the base of mails."""

    def __init__(
        self, project: Project, cache: Cache, slug: str, source: Source, listen: Listener
    ) -> None:
        self._project, self._cache, self._slug, self._listen = project, cache, slug, listen
        self._source = source
        # What is left out of the mails is said when they are applied.
        self._mails = read.patches(project, cache, slug, source)

    def choose(self, default: str) -> Base:
        """Return the first base that can be had."""
        return (
            self._by_commit()
            or self._by_words()
            or self._by_series_file()
            or self._by_blobs()
            or Base(default, "the default: the patches name no base, and fit no release here")
        )

    def _by_commit(self) -> Base | None:
        commit, why = self._mails.base_commit, "the patches' base-commit"
        found = self._of_commit(commit, why) if commit else None
        if found is None:
            return None
        needed = max(prerequisites(read_mails(raw)[0].text) for raw in self._letters())
        if needed:
            patches = units.count(needed, "patch")
            why += f", without the {patches} that they also need (prerequisite-patch-id)"
        return Base(found.name, why)

    def _by_words(self) -> Base | None:
        letter = next(self._letters())
        # "stable" and "mainline" are words of other meanings, too.
        branches = [name for name, s in self._project.trees().items() if _is_url(s) and "-" in name]
        found = named_bases(read_mails(letter)[0].text, branches)
        if len(found) > 1:
            both = " and ".join(map(str, found))
            self._listen(Note(f"the letter names {len(found)} bases, {both}: none is taken"))
        if len(found) != 1:
            return None
        return self._of_named(found[0], "named in the letter")

    def _by_series_file(self) -> Base | None:
        if not isinstance(self._source, Posted):
            return None
        number = self._source.version
        versions = self._project.series(self._slug).versions
        name = next((v.base for v in versions if v.version == number), None)
        return self._of_named(NamedBase(name), f"v{number}'s in series.yaml") if name else None

    def _by_blobs(self) -> Base | None:
        """Return the newest release that has the files the patches were made from."""
        wanted = origin.old_blobs(self._mails.patches)
        if all(map(origin.NO_BLOB.fullmatch, wanted.values())):
            return None  # new files alone fit any release
        log, deadline = self._cache.log("choose-base"), Deadline(SEARCH_S)
        ours = Git(self._cache.repository, log=log, deadline=deadline)
        found: list[tuple[Order, Git, str, str]] = []
        for one in self._cached():
            at = order(one.release)
            if at is not None:
                found.append((at, ours, one.commit, one.name))
        for clone in clones.opened(self._project, log, deadline, self._listen, entries=True):
            found += [(at, clone, tag, f"{clone.folder}@{tag}") for at, tag in _releases(clone)]
        # Of equal ones, the cached tree is first.
        for _, git, commit, name in sorted(found, key=lambda one: one[0], reverse=True):
            if origin.has_blobs(git, commit, wanted):
                fitting = tree.fetch(self._project, self._cache, name, self._listen)
                return Base(fitting.name, "the newest release that the patches' index lines fit")
        return None

    def _of_named(self, named: NamedBase, why: str) -> Base | None:
        """Return a base by its commit, else by its name."""
        found = self._of_commit(named.commit, "named in the letter") if named.commit else None
        if found is None and named.ref:
            found = self._of_ref(named.ref, why)
        if found is None:
            return None
        wanted = origin.old_blobs(self._mails.patches)
        git = Git(self._cache.repository, log=self._cache.log("base"), deadline=Deadline(SEARCH_S))
        if not origin.has_blobs(git, found.commit, wanted):
            why += "; the patches' index lines are of other files than it has"
        return Base(found.name, why)

    def _of_commit(self, commit: str, called: str) -> Tree | None:
        """Return a commit from the cache, a clone, or a URL of configs/trees.yaml."""
        for one in self._cached():
            if one.commit.startswith(commit):
                return one
        found = tree.from_clones(self._project, self._cache, commit, self._listen)
        if found is None and names.COMMIT.fullmatch(commit):
            found = self._far(commit, called, lambda: self._of_urls(commit))
        elif found is None:
            self._listen(Note(f"{commit}, {called}, is in no repository here"))
        return found

    def _of_ref(self, ref: str, why: str) -> Tree | None:
        """Return a tree by a name that a letter uses."""
        is_entry = names.is_entry(self._project, ref)
        is_named = is_entry or order(ref) is not None
        found = tree.fetched(self._project, self._cache, ref) if is_named else None
        if found is None and not is_entry:
            found = tree.from_clones(self._project, self._cache, ref, self._listen)
        if found is not None:
            return found

        def fetch() -> Tree | None:
            if is_named:
                return tree.fetch(self._project, self._cache, ref, self._listen)
            return self._of_urls(ref)

        return self._far(ref, why, fetch)

    def _far(self, ref: str, why: str, fetch: Callable[[], Tree | None]) -> Tree | None:
        """Return what may have to be fetched, or note why it cannot be had.

        A search on the network can take a minute, so one that failed is not repeated for a while.
        """
        memory = self._cache.root / ABSENT / names.file_name(ref)
        with contextlib.suppress(OSError):
            age_s = time.time() - memory.stat().st_mtime
            if 0 <= age_s < REMEMBERED_S:
                minutes = f"{age_s / 60:.0f} minutes ago; `harness tree fetch` looks again"
                self._listen(Note(f"{memory.read_text()} ({minutes})"))
                return None
        reason = "no repository that answers has it"
        try:
            found = fetch()
        except HarnessError as error:
            found, reason = None, tree.brief(error)
        if found is None:
            note = f"{names.shown_revision(ref)}, {why}, cannot be had: {reason}"
            self._listen(Note(note))
            memory.parent.mkdir(parents=True, exist_ok=True)
            replace_file(memory, note.encode(), durable=False)
        return found

    def _of_urls(self, ref: str) -> Tree | None:
        searched = tree.from_urls(self._project, self._cache, ref, self._listen)
        for failure in searched.failures:
            self._listen(Note(tree.brief(failure)))
        return searched.tree

    def _cached(self) -> Iterator[Tree]:
        """Yield the cached trees that can be named: an entry that changed has another commit.

        Entries come first: objects of theirs are more likely to be cached.
        """
        entries = self._project.trees()
        for one in sorted(tree.all_fetched(self._cache), key=lambda one: one.name not in entries):
            with contextlib.suppress(InputError):
                if tree.fetched(self._project, self._cache, one.name) == one:
                    yield one

    def _letters(self) -> Iterator[bytes]:
        """Yield the cover letter, if there is one, and the patches' mails."""
        if self._mails.cover:
            yield self._mails.cover
        for patch in self._mails.patches:
            yield patch.raw


def _is_url(source: TreeSource) -> bool:
    return isinstance(source, GitSource) and source.is_url


def _releases(git: Git) -> list[tuple[Order, str]]:
    """Return the newest releases that a clone has tags of."""
    listed = lines(git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/tags/v*").stdout)
    found = [(at, tag) for tag in listed if (at := order(tag)) is not None]
    return sorted(found, reverse=True)[:MAX_RELEASES]
