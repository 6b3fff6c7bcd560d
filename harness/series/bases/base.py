# SPDX-License-Identifier: GPL-2.0-only
"""Commits a series on the base that it was made for, if that base can be found.

git needs these commits to merge a patch three-way and to compare versions. Without the base, its
content is taken from the patches' own context: enough for comparing, not for merging.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from harness.errors import HarnessError, InputError, ToolFailed
from harness.events import Listener, silent
from harness.git.git import AUTHOR, Git
from harness.git.repository import CachedTrees
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.series import apply, read
from harness.series.bases.implied import HunkConflict, implied_base
from harness.series.mails import b4
from harness.series.mails.mail import PatchMail
from harness.series.source import Commits, Port, Posted, Source
from harness.trees import tree
from harness.trees.names import of_same_source

GIT_S = 600
NO_BLOB = re.compile(r"0+")


class SeriesCommits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series on its own base, one commit per patch.

    `release` is the base's, "" if the base is only the patches' context. `note` says which base it
    is, or why there is none. `base_name` is the base that the series itself names.
    """

    source: str
    base: str
    commits: tuple[str, ...]
    release: str
    note: str
    base_name: str = ""

    @property
    def has_base(self) -> bool:
        """Whether the base is a real tree, which three-way merges need."""
        return bool(self.release)

    @property
    def tip(self) -> str:
        """Commit with the whole series."""
        return self.commits[-1]


def find(
    project: Project,
    cache: Cache,
    slug: str,
    source: Source,
    listen: Listener = silent,
    *,
    base: str | None = None,
    beside: str | None = None,
    fetch: bool = False,
) -> SeriesCommits:
    """Return a series on its base: the named one, or a known tree with exactly its old files.

    `base` is the name of a tree, not checked. `beside` names another tree whose source may have the
    base as a tag. A commit that the series itself names is looked for in clones. `fetch` allows a
    fetch of the base. Raises InputError for an invalid series.
    """
    given = read.patches(project, cache, slug, source, listen)
    named = _named(project, slug, source)

    def on(found: Tree) -> SeriesCommits:
        applied = apply.apply(project, cache, slug, found, source, listen)
        commits = tuple(patch.commit for patch in applied.patches)
        note = f"based on {found.name} ({found.release})"
        return SeriesCommits(given.label, found.commit, commits, found.release, note, named)

    if base is None and isinstance(source, Commits):
        base = f"{source.repository}@{source.base}"
    if base is not None:
        return on(tree.fetch(project, cache, base, listen))
    commit = given.base_commit
    known = tree.from_clones(project, cache, commit, listen, beside) if commit else None
    candidates = _candidates(project, cache, named, beside)
    known = known or next((c for c in candidates if _made_from(cache, c, given.patches)), None)
    if known is not None:
        return on(known)
    why = f"its base {named} is not fetched" if named else "its base is unknown"
    for name in _names(project, named, beside) if fetch else ():
        try:
            return on(tree.fetch(project, cache, name, listen))
        except HarnessError as error:
            why = f"its base {named} cannot be fetched ({error.what})"
    far = tree.from_urls(project, cache, commit, listen).tree if fetch and commit else None
    if far is not None:
        return on(far)
    return _implied(cache, given.patches, given.label, why, named)


def _named(project: Project, slug: str, source: Source) -> str:
    """Return the base that the series itself names, or ""."""
    match source:
        case Port(name):
            return name
        case Posted(version):
            versions = project.series(slug).versions
            return next((v.base or "" for v in versions if v.version == version), "")
    return ""


def _names(project: Project, named: str, beside: str | None) -> Iterator[str]:
    """Yield names of trees that the base may be: a tag of the other tree's source, then its own."""
    tag = of_same_source(project, beside, named) if named and beside else None
    if tag is not None:
        yield tag
    if named:
        yield named


def _candidates(project: Project, cache: Cache, named: str, beside: str | None) -> Iterator[Tree]:
    """Yield cached trees: the named base first, then all others."""
    for name in _names(project, named, beside):
        # An unknown name is not an error: the patches may fit another tree.
        with contextlib.suppress(InputError):
            found = tree.fetched(project, cache, name)
            if found is not None:
                yield found
    yield from tree.all_fetched(cache)


def _made_from(cache: Cache, candidate: Tree, patches: Sequence[PatchMail]) -> bool:
    """Return whether a tree has exactly the old blobs that the patches' index lines name."""
    git = Git(cache.repository, log=cache.log("origin"), deadline=Deadline(GIT_S))
    wanted = old_blobs(patches)
    return bool(wanted) and has_blobs(git, candidate.commit, wanted)


def old_blobs(patches: Sequence[PatchMail]) -> dict[str, str]:
    """Return the blobs that patches change, by path; all zeros for a file that they create."""
    wanted: dict[str, str] = {}
    for patch in patches:
        for file, blob in patch.blobs.items():
            wanted.setdefault(file, blob)
    return wanted


def has_blobs(git: Git, commit: str, wanted: Mapping[str, str]) -> bool:
    """Return whether a commit has these blobs, whose ids may be short, and lacks those of zeros.

    False also if its folders cannot be read, as in a clone without them.
    """
    listed = git("ls-tree", "-z", commit, "--", *wanted, ok=None)
    rows = (row.partition("\t") for row in listed.stdout.split("\0") if row)
    blobs = {path: mode.split(" ")[2] for mode, _, path in rows}
    return listed.exit_code == 0 and all(
        file not in blobs if NO_BLOB.fullmatch(blob) else blobs.get(file, "").startswith(blob)
        for file, blob in wanted.items()
    )


def _implied(
    cache: Cache, patches: Sequence[PatchMail], label: str, why: str, named: str
) -> SeriesCommits:
    """Commit the series on its hunks' context, in a repository of its own."""
    try:
        files = implied_base([patch.hunks for patch in patches])
    except HunkConflict as error:
        raise _inconsistent(patches[error.patch - 1], label, str(error)) from error
    trees = CachedTrees(cache, log=cache.log("origin"), deadline=Deadline(GIT_S))
    trees.create()
    with cache.staging() as work:
        git = Git(work / "series", log=trees.git.log, deadline=trees.git.deadline)
        base = _committed(git, files, label)
        for patch in patches:
            file = work / f"{patch.number}.patch"
            file.write_bytes(b4.mbox([patch.raw]))
            try:
                git.am(file)
            except ToolFailed as error:
                raise _inconsistent(patch, label, "git am rejects it", error.detail) from error
        commits = tuple(commit for commit, _ in git.commits_since(base))
        trees.git("fetch", "--quiet", "--no-tags", str(git.folder), "HEAD")
    return SeriesCommits(label, base, commits, "", why, named)


def _committed(git: Git, files: dict[str, str], label: str) -> str:
    """Make a repository with these files; return its first commit."""
    git.folder.mkdir()
    for path, text in files.items():
        (git.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (git.folder / path).write_text(text, encoding="utf-8", errors="surrogateescape")
    git("init", "--quiet", "--template=", "--object-format=sha1")
    git("add", "--force", "--all")
    message = f"Context of {label}"
    git("commit", "--quiet", "--allow-empty", "-m", message, env=AUTHOR)
    return git.head()


def _inconsistent(patch: PatchMail, label: str, why: str, detail: str | None = None) -> InputError:
    return InputError(
        f"patch {patch.number}/{patch.total} ({patch.subject}) does not follow from the "
        f"patches before it: {why}",
        where=label,
        expected="patches that apply one after another",
        detail=detail,
    )
