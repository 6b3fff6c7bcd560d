# SPDX-License-Identifier: GPL-2.0-only
"""Compares two commits of a repository: as they are, or one with some of its commits reverted.

What lies between them may be a series that was merged, or much more. The repository is only read.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import DoesNotApply, InputError
from harness.events import Advanced, Began, Ended, Listener
from harness.git import patches
from harness.git.diff import DiffError, parse_diff
from harness.git.git import AUTHOR, ForeignGit, Git, lines
from harness.host import units
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.tree_source import GitSource
from harness.record.applied import Applied, Patch
from harness.series import commits
from harness.series.source import Merged, Without
from harness.trees import git_source
from harness.trees.names import short_commit

APPLY_S = 600
_INDEX = re.compile(rb"^index ([0-9a-f]{40})\.\.([0-9a-f]{40})", re.MULTILINE)
_NEW_START = re.compile(r"@@ -\S+ \+(\d+)")
#: Commits that a record names.
MAX_NAMED = 50
#: A change under investigation, not half of a release.
MAX_REVERTED = 100


def between(cache: Cache, repository: Path, base: str, tip: str) -> Merged:
    """Return two revisions of a repository as a source. Raises InputError."""
    git = commits.opened(cache, repository)
    ends = [commits.commit_of(git, name) for name in (base, tip)]
    if ends[0] == ends[1]:
        raise InputError(
            f"is {short_commit(ends[0])}, as {base} is",
            where=f"--tip {tip}",
            expected="another commit",
        )
    return Merged(git.folder, ends[0], ends[1], f"{base}..{tip}")


def without(cache: Cache, repository: Path, tip: str, names: Sequence[str]) -> Without:
    """Return a revision and the commits to revert, oldest first. Raises InputError.

    A name is a revision or a range A..B.
    """
    git = commits.opened(cache, repository)
    commit = commits.commit_of(git, tip)
    chosen: dict[str, str] = {}
    for name in names:
        found = _expanded(git, name)
        if not found:
            raise InputError("has no commits", where=f"--without {name}", expected="a range A..B")
        chosen |= dict.fromkeys(found, name)
    if len(chosen) > MAX_REVERTED:
        raise InputError(
            f"{len(chosen)} commits", where="--without", expected=f"up to {MAX_REVERTED}"
        )
    for one, name in chosen.items():
        _require_revertible(git, one, commit, name, tip)
    return Without(git.folder, commit, _oldest_first(git, list(chosen)), tip)


def applied(
    project: Project,
    cache: Cache,
    slug: str,
    tree: Tree,
    source: Merged | Without,
    listen: Listener,
) -> Applied:
    """Return base and tip of a source as a series is applied: one commit per prefix.

    `tree` is the source's own: its base, or the tip without reverts. Raises DoesNotApply if a
    commit cannot be reverted.
    """
    git = Git(cache.repository, log=cache.log("merged"), deadline=Deadline(APPLY_S))
    if isinstance(source, Merged):
        made = _merged(project, cache, git, slug, tree, source, listen)
    else:
        made = _without(cache, git, slug, tree, source, listen)
    git.tag(f"{made.tags}/base", made.base)
    for patch in made.patches:
        git.tag(f"{made.tags}/{patch.number}", patch.commit)
    git.tag(f"{made.tags}/tip", made.tip)
    return made


def _merged(
    project: Project,
    cache: Cache,
    git: Git,
    slug: str,
    tree: Tree,
    source: Merged,
    listen: Listener,
) -> Applied:
    with cache.locked("trees"):
        wanted = GitSource(str(source.repository), source.tip)
        git_source.commit_of(git, project.root, wanted, listen)
    users = commits.opened(cache, source.repository)
    file = project.series(slug).object.removesuffix(".o") + ".c"
    named, others = _differing(users, source, file)
    listen(Ended(f"{len(named)} commits to {file} and {others} others from {source.label}"))
    patch = Patch(1, source.label, source.tip, "", _sha256(source.tip))
    return Applied(
        slug=slug,
        source=source.label,
        tree=tree.name,
        release=tree.release,
        base=tree.commit,
        patches=(patch,),
        tags=_tags(slug, source.base, source.tip),
        commits=named,
        other_commits=others,
    )


def _differing(users: ForeignGit, source: Merged, file: str) -> tuple[tuple[str, ...], int]:
    """Return the commits to a file that only one end has, and the number of all others."""
    ends = f"{source.base}...{source.tip}"
    shown = users("log", "--no-merges", "--format=%h %s", "--abbrev=12", ends, "--", file).stdout
    total = int(users("rev-list", "--no-merges", "--count", ends).stdout)
    named = tuple(lines(shown)[:MAX_NAMED])
    return named, total - len(named)


def _without(
    cache: Cache, git: Git, slug: str, tree: Tree, source: Without, listen: Listener
) -> Applied:
    users = commits.opened(cache, source.repository)
    count = len(source.commits)
    listen(Began(f"revert {units.count(count, 'commit')} of {source.label}"))
    subjects = [_subject(users, commit) for commit in source.commits]
    if git_source.is_partial(users):
        with cache.locked("trees"):
            for commit in source.commits:
                for end in (commit, f"{commit}^"):
                    git_source.complete(git, users, users.commit(end) or end, commit)
    with cache.staging() as work:
        diffs = [_diff(git, users, commit, work / f"{commit}.diff") for commit in source.commits]
        apart = _Apart(git, tree.commit, diffs, work)
        # states[k] has the oldest k commits.
        states = [tree.commit]
        for number in range(count, 0, -1):
            listen(Advanced(count - number, count))
            commit, subject = source.commits[number - 1], subjects[number - 1]
            states.insert(0, apart.revert(states[0], commit, subject, diffs[number - 1], source))
        apart.keep(states[0])
        ids = [patches.patch_id_of(git, diff) for diff in diffs]
    listen(Ended(f"reverted {units.count(count, 'commit')} of {source.label}"))
    return Applied(
        slug=slug,
        source=f"{source.label} without {units.count(count, 'commit')}",
        tree=tree.name,
        release=tree.release,
        base=states[0],
        patches=tuple(
            Patch(n, subjects[n - 1], states[n], ids[n - 1], _sha256(source.commits[n - 1]))
            for n in range(1, count + 1)
        ),
        tags=_tags(slug, states[0], tree.commit),
        commits=tuple(
            f"{short_commit(commit)} {subject}"
            for commit, subject in zip(source.commits, subjects, strict=True)
        ),
    )


class _Apart:
    """Reverts commits with an index and a folder of objects of their own.

    What a revert writes is often in the user's repository already. If git saw that, it would set
    the time of the user's file.
    """

    def __init__(self, git: Git, tip: str, diffs: Sequence[Path], work: Path) -> None:
        """Copy all folders of `tip`, and the files that the diffs are about."""
        self._git, self._tip, self._work = git, tip, work
        self._env = {
            "GIT_OBJECT_DIRECTORY": str(work / "objects"),
            "GIT_INDEX_FILE": str(work / "index"),
        }
        (work / "objects" / "pack").mkdir(parents=True)
        folders = ("rev-list", "--objects", "--no-walk", "--filter=blob:none", tip)
        names = git(*folders).output
        changed = list(dict.fromkeys(name for diff in diffs for name in _files(git, diff)))
        names += git("ls-tree", "-r", tip, "--format=%(objectname)", "--", *changed).output
        blobs = {blob for diff in diffs for blob in _blobs(diff)}
        (work / "names").write_bytes(names + "".join(f"{blob}\n" for blob in blobs).encode())
        pack = work / "objects" / "pack" / "pack"
        git("pack-objects", "--quiet", "--window=0", str(pack), stdin=work / "names")
        git("read-tree", tip, env=self._env)

    def revert(self, onto: str, commit: str, subject: str, diff: Path, source: Without) -> str:
        """Return a commit on `onto` with the reverse of a diff. Raises DoesNotApply."""
        places = patches.revert(self._git, diff, self._env)
        if places:
            raise DoesNotApply(
                f"commit {short_commit(commit)} ({subject}) cannot be reverted on {source.label}",
                where=places[0],
                hint="name the later commits that build on it with --without as well",
                detail=_hunk_at(diff, places[0]),
            )
        tree = self._git("write-tree", "--missing-ok", env=self._env).stdout.strip()
        text = f'Revert "{subject}"\n\nThis reverts commit {commit}.\n'
        make = ("commit-tree", "-m", text, "-p", onto, tree)
        return self._git(*make, env=self._env | AUTHOR).stdout.strip()

    def keep(self, last: str) -> None:
        """Copy the commits up to `last` into the cache repository."""
        since = ("rev-list", "--objects", f"^{self._tip}", last)
        names = self._work / "made"
        names.write_bytes(self._git(*since, env=self._env).output)
        pack = str(self._work / "made")
        made = self._git("pack-objects", "--quiet", pack, stdin=names, env=self._env)
        file = self._work / f"made-{made.stdout.strip()}.pack"
        self._git("index-pack", "--stdin", stdin=file)


def _diff(git: Git, users: ForeignGit, commit: str, into: Path) -> Path:
    """Write a commit's diff to a file. In the cache repository it may have lost its parent."""
    parent = users.commit(f"{commit}^") or ""
    options = ("--patch", "--binary", "--full-index", "--no-renames", f"--output={into}")
    git("diff-tree", *options, parent, commit)
    return into


def _files(git: Git, diff: Path) -> list[str]:
    listed = git("apply", "--numstat", "-z", str(diff)).stdout
    return [row.split("\t", 2)[2] for row in listed.split("\0") if row]


def _blobs(diff: Path) -> list[str]:
    found = _INDEX.findall(diff.read_bytes())
    return [blob.decode() for pair in found for blob in pair if blob.strip(b"0")]


def _hunk_at(diff: Path, place: str) -> str | None:
    """Return the hunk whose result is at a place `FILE:LINE`, as the reverse diff has it."""
    try:
        hunks = parse_diff(diff.read_text(errors="replace").split("\n"))
    except DiffError:
        return None
    for hunk in hunks:
        start = _NEW_START.match(hunk.text)
        if start and f"{hunk.file}:{start[1]}" == place:
            return hunk.text
    return None


def _expanded(git: ForeignGit, name: str) -> list[str]:
    if ".." not in name:
        return [commits.commit_of(git, name)]
    base, _, tip = name.partition("..")
    ends = (commits.commit_of(git, end or "HEAD") for end in (base, tip.lstrip(".")))
    return lines(git("rev-list", "--no-merges", "..".join(ends)).stdout)


def _require_revertible(git: ForeignGit, commit: str, tip: str, name: str, tip_name: str) -> None:
    where = f"--without {name}"
    if git("merge-base", "--is-ancestor", commit, tip, ok=None).exit_code != 0:
        raise InputError(f"is not in {tip_name}", where=where, expected="a commit that is")
    parents = git("rev-list", "--parents", "--max-count=1", commit).stdout.split()[1:]
    if len(parents) != 1:
        what = "is a merge" if parents else "has no parent in this repository"
        raise InputError(what, where=where, expected="commits of one parent, or a range A..B")
    if git("diff-tree", "--quiet", parents[0], commit, ok=None).exit_code == 0:
        raise InputError("changes nothing", where=where, expected="a commit with a change")


def _oldest_first(git: ForeignGit, chosen: list[str]) -> tuple[str, ...]:
    """Return commits in an order in which none comes before one that it descends from."""
    below = git("merge-base", "--octopus", *(f"{commit}^" for commit in chosen), ok=None)
    limit = [f"^{commit}" for commit in below.stdout.split()]
    listed = lines(git("rev-list", "--topo-order", "--reverse", *chosen, *limit).stdout)
    wanted = set(chosen)
    return tuple(commit for commit in listed if commit in wanted)


def _subject(git: ForeignGit, commit: str) -> str:
    return git("show", "--no-patch", "--format=%s", commit).stdout.strip()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tags(slug: str, base: str, tip: str) -> str:
    return f"series/{slug}/commits-{short_commit(base)}-{short_commit(tip)}/tree"
