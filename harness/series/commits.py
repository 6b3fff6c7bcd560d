# SPDX-License-Identifier: GPL-2.0-only
"""A series as commits of the user's repository: which ones, and as mails. Only reads it."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.errors import InputError
from harness.git import patches
from harness.git.git import ForeignGit, Git, lines
from harness.host import units
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.series import b4_prep
from harness.series.mails import b4
from harness.series.source import Commits
from harness.trees import git_source, release_of_tree

GIT_S = 120
#: The limit of b4 prep.
MAX_COMMITS = 500
#: git's DWIM would take options, and texts that no revision can be.
_REVISION = re.compile(r"(?!-)[^\x00-\x20\x7f]+")
_MAINLINE = ("refs/remotes/*/master", "refs/remotes/*/main", "refs/heads/master", "refs/heads/main")


class Fork(msgspec.Struct, frozen=True):
    """A commit that a branch may have forked from, and how to call it."""

    commit: str
    name: str


class Understood(msgspec.Struct, frozen=True):
    """Commits of the user's repository, and one line that says which these are."""

    commits: Commits
    note: str


def kernel_tree_at(folder: Path) -> Path | None:
    """Return the top of the kernel's git worktree that a folder is in, else None."""
    for top in (folder, *folder.parents):
        if (top / ".git").exists():
            return top if _is_kernel(top) else None
    return None


def _is_kernel(top: Path) -> bool:
    try:
        text = (top / "Makefile").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return (top / "Kconfig").is_file() and release_of_tree.release(text) is not None


def opened(cache: Cache, folder: Path) -> ForeignGit:
    """Return read-only git on the repository that a folder is, or is in. Raises InputError."""
    start = folder.expanduser().absolute()
    top = next((f for f in (start, *start.parents) if (f / ".git").exists()), start)
    return git_source.opened_path(top, cache.log("commits"), Deadline(GIT_S))


def has(git: ForeignGit, text: str) -> list[str]:
    """Return the meanings of a revision or range as ids or refs; empty if it has none."""
    if not _REVISION.fullmatch(text):
        return []
    if ".." in text:
        ends = [end or "HEAD" for end in text.split("..", 1)]
        found = [git.commit(end.lstrip(".") or "HEAD") for end in ends]
        return [text] if all(found) else []
    refs = [f"refs/{kind}/{text}" for kind in ("heads", "tags", "remotes")]
    named = [ref for ref in refs if git.commit(ref)]
    return named or ([text] if git.commit(text) else [])


def understood(git: ForeignGit, text: str) -> Understood:
    """Return the commits of a range, or of a branch against where it forked. Raises InputError."""
    if "..." in text:
        raise InputError(
            "names the commits of two branches", where=text, expected="A..B: the commits up to B"
        )
    base_name, mark, tip_name = text.partition("..")
    if not mark:
        base_name, tip_name = "", text
    tip_name = tip_name or "HEAD"
    tip = commit_of(git, tip_name)
    branch = _branch(git, tip_name)
    if mark:
        named = commit_of(git, base_name or "HEAD")
        base = Fork(_merge_base(git, named, tip, text), base_name or "HEAD")
        if base.commit != named:
            base = Fork(base.commit, f"{base.commit[:12]}, where it forked from {base_name}")
    else:
        base = _forked_from(git, tip, branch)
        prepared = b4_prep.found(git, branch, base.commit, tip)
        if prepared is not None:
            base = Fork(prepared.base, base.name if prepared.base == base.commit else "")
            tip = prepared.tip
    count = _require_patches(git, base, tip, text)
    commits = Commits(git.folder, base.commit, tip, branch)
    return Understood(commits, _note(git, commits, base, count, tip_name))


def current(git: ForeignGit) -> Understood:
    """Return the commits of the branch that is checked out. Raises InputError."""
    return understood(git, "HEAD")


def mails(cache: Cache, source: Commits) -> tuple[bytes, bytes]:
    """Return the commits as an mbox of patches, and the cover letter's mail (b"" for none)."""
    git = opened(cache, source.repository)
    letter = b4_prep.letter(git, source)
    with cache.staging() as work:
        version = letter.version if letter else 1
        files = patches.format_patches(git, source.base, source.tip, work, version=version)
        texts = [file.read_bytes() for file in files]
    if not texts:
        raise InputError(
            "change no file", where=f"{source.base[:12]}..{source.tip[:12]}", expected="patches"
        )
    return b4.mbox(texts), b4_prep.mail(git, source, letter, len(texts)) if letter else b""


def borrowed(cache: Cache, ours: Git, source: Commits) -> list[tuple[str, str]] | None:
    """Make the commits readable in the cache repository; return each with its subject, in order.

    Those that change nothing are left out. Returns None if the cache cannot have them as they are:
    one of them may be there already, as a tree without history.
    """
    users = opened(cache, source.repository)
    between = f"{source.base}..{source.tip}"
    listed = users("log", "--reverse", "--format=%H %T %s", between).stdout
    rows = [line.split(" ", 2) for line in lines(listed)]
    with cache.locked("trees"):
        git_source.borrow(ours, users, [commit for commit, *_ in rows])
    if ours("rev-list", "--count", between, ok=None).stdout.strip() != str(len(rows)):
        return None
    before = ours("rev-parse", "--verify", f"{source.base}^{{tree}}").stdout.strip()
    found = []
    for commit, tree, subject in rows:
        if tree != before:
            found.append((commit, subject))
        before = tree
    return found


def commit_of(git: ForeignGit, name: str) -> str:
    """Return the full id of a revision. Raises InputError."""
    found = git.commit(name) if _REVISION.fullmatch(name) else None
    if found is None:
        raise InputError(
            f"no revision {name!r}", where=str(git.folder), expected="a branch, tag or commit"
        )
    return found


def _branch(git: ForeignGit, name: str) -> str:
    """Return the branch of a name, or that HEAD is on; "" for a tag, an id or a detached HEAD."""
    if name == "HEAD":
        return git("symbolic-ref", "--quiet", "--short", "HEAD", ok=None).stdout.strip()
    short = name.removeprefix("refs/heads/")
    return short if git.commit(f"refs/heads/{short}") and git.commit(name) else ""


def _merge_base(git: ForeignGit, base: str, tip: str, text: str) -> str:
    found = git("merge-base", base, tip, ok=None).stdout.strip()
    if not found:
        raise InputError(
            "its ends have no common ancestor", where=text, expected="a range of one history"
        )
    return found


def _forked_from(git: ForeignGit, tip: str, branch: str) -> Fork:
    """Return where a branch forked: from its upstream, else from the nearest release or mainline.

    A branch that is pushed under its own name has no commits beside its upstream.
    """
    upstream = f"{branch}@{{upstream}}"
    ours = git.commit(upstream) if branch else None
    if ours:
        name = git("rev-parse", "--abbrev-ref", upstream, ok=None).stdout.strip()
        base = git("merge-base", ours, tip, ok=None).stdout.strip()
        if base not in ("", tip):
            return Fork(base, f"{base[:12]}, where it forked from {name}")
    found = [(_count(git, fork.commit, tip), fork) for fork in _forks(git, tip, branch)]
    nearest = min((one for one in found if one[0]), key=lambda one: one[0], default=None)
    if nearest is None:
        raise InputError(
            f"{branch or tip[:12]} has no commits beside mainline and releases",
            where=str(git.folder),
            expected="a branch with patches",
            hint="name a range A..B, or a series",
        )
    return nearest[1]


def _forks(git: ForeignGit, tip: str, branch: str) -> Iterator[Fork]:
    described = git("describe", "--tags", "--abbrev=0", "--match=v[0-9]*", tip, ok=None)
    if described.exit_code == 0:
        name = described.stdout.strip()
        yield Fork(git.commit(f"refs/tags/{name}") or "", name)
    for ref in lines(git("for-each-ref", "--format=%(refname)", *_MAINLINE).stdout):
        if ref == f"refs/heads/{branch}":
            continue
        base = git("merge-base", ref, tip, ok=None).stdout.strip()
        if base:
            short = ref.split("/", 2)[2]
            yield Fork(base, f"{base[:12]}, where it forked from {short}")


def _count(git: ForeignGit, base: str, tip: str) -> int:
    return int(git("rev-list", "--count", f"{base}..{tip}").stdout)


def _require_patches(git: ForeignGit, base: Fork, tip: str, text: str) -> int:
    """Return the number of commits. Raises InputError unless they are a series of patches."""
    between = f"{base.commit}..{tip}"
    count = _count(git, base.commit, tip)
    if not count:
        raise InputError("has no commits", where=text, expected="a range with patches")
    merges = lines(git("rev-list", "--merges", "--max-count=1", between).stdout)
    if merges or count > MAX_COMMITS:
        what = f"has a merge, {merges[0][:12]}" if merges else f"has {count} commits"
        raise InputError(
            f"{what}, from {base.name or base.commit[:12]}",
            where=text,
            expected=f"up to {MAX_COMMITS} patches, one after the other",
            hint="name a shorter range A..B",
        )
    return count


def _note(git: ForeignGit, commits: Commits, base: Fork, count: int, tip_name: str) -> str:
    tip = commits.tip[:12]
    what = f"branch {commits.branch}" if commits.branch else f"{tip_name} ({tip})"
    if tip_name == "HEAD" and not commits.branch:
        what = f"detached HEAD ({tip})"
    name = base.name or base.commit[:12]
    note = f"{what} of {git.folder}: {units.count(count, 'commit')} on {name}"
    if tip_name == "HEAD" and _is_dirty(git):
        note += "; uncommitted changes are not measured"
    return note


def _is_dirty(git: ForeignGit) -> bool:
    ignoring = ("--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    return bool(git("status", *ignoring, ok=None).stdout)
