# SPDX-License-Identifier: GPL-2.0-only
"""Applies a series to a tree with git: one commit per patch, on exactly the tree's commit.

Equal patches on an equal tree give equal commits on every machine, so a series that was applied
once is found again, and kernels built from it too.
"""

import contextlib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import DoesNotApply, HarnessError, InputError, ToolFailed
from harness.events import Began, Ended, Listener, silent
from harness.git import patches as git_patches
from harness.git.git import Git
from harness.host.cache import Cache, publish
from harness.host.processes.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.record.applied import Applied, Patch
from harness.series import commits, merged, ports, read
from harness.series.mails import b4
from harness.series.mails.mail import PatchMail
from harness.series.source import Commits, Merged, Source, Without
from harness.trees.tree import checked_out, fetch

APPLY_S = 600
_LINK = re.compile(r"^:\d{6} 1[26]0000 ", re.MULTILINE)
CLEAN_S = 120


def on_tree(
    project: Project,
    cache: Cache,
    slug: str,
    tree: str,
    source: Source | None,
    listen: Listener = silent,
) -> tuple[Tree, Applied]:
    """Fetch a tree by name and apply a series to it; `source` None takes the tree's port.

    Errors that the series alone has are raised before anything is fetched.
    """
    read.require_readable(project, cache, slug, source)
    kernel_tree = fetch(project, cache, tree, listen)
    source = source or ports.for_tree(project, slug, kernel_tree)
    return kernel_tree, apply(project, cache, slug, kernel_tree, source, listen)


def apply(
    project: Project,
    cache: Cache,
    slug: str,
    tree: Tree,
    source: Source,
    listen: Listener = silent,
) -> Applied:
    """Apply a series and tag base, every prefix and tip in the cache repository.

    Raises InputError for an incomplete or damaged series, DoesNotApply naming patch, file and hunk.
    """
    if isinstance(source, Merged | Without):
        return merged.applied(project, cache, slug, tree, source, listen)
    mails = read.patches(project, cache, slug, source, listen)
    git = Git(cache.repository, log=cache.log(f"apply-{tree.name}"), deadline=Deadline(APPLY_S))
    digest = hashlib.sha256(b"\0".join([tree.commit.encode(), *(p.raw for p in mails.patches)]))
    stored = cache.applied / f"{slug}-{digest.hexdigest()[:24]}.json"
    applied = _stored(git, stored)
    if applied is None:
        listen(Began(f"apply {slug} ({mails.label}) to {tree.name}"))
        applied = _as_committed(cache, git, slug, tree, mails, source) or _apply(
            cache, git, slug, tree, mails, listen
        )
        _tag(git, applied)
        with cache.staging() as work:
            (work / "applied.json").write_bytes(msgspec.json.encode(applied))
            publish(work / "applied.json", stored)
        listen(Ended(f"applied {len(mails.patches)} patches to {tree.name} ({tree.release})"))
    # The same patches may come from another source next time.
    return msgspec.structs.replace(
        applied,
        source=mails.label,
        tree=tree.name,
        message_id=mails.message_id,
        attestation=mails.attestation,
        patches=tuple(
            msgspec.structs.replace(patch, sha256=sha256)
            for patch, sha256 in zip(applied.patches, mails.sha256, strict=True)
        ),
    )


def unpatched(slug: str, tree: Tree) -> Applied:
    """Return a series without patches on a tree."""
    return Applied(slug, "no patches", tree.name, tree.release, tree.commit, (), tags="")


def _stored(git: Git, file: Path) -> Applied | None:
    """Return a series that was applied before, with its tags set again."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Applied)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    # The repository may have been pruned since.
    if not git.has_commit(found.tip):
        return None
    # Other patches of the same label and release may have taken the tags over.
    if git.commit(f"refs/tags/{found.tags}/tip") != found.tip:
        _tag(git, found)
    return found


def _as_committed(
    cache: Cache, git: Git, slug: str, tree: Tree, mails: read.SourceMails, source: Source
) -> Applied | None:
    """Return a series whose commits are on the tree already; None if it has to be applied.

    git would write what the user's repository has, and so set the time of the user's files.
    """
    if not isinstance(source, Commits) or source.base != tree.commit:
        return None
    found = commits.borrowed(cache, git, source)
    if found is None or len(found) != len(mails.patches):
        return None
    _require_files(git, tree, source.tip)
    with cache.staging() as work:
        ids = git_patches.patch_ids(git, [commit for commit, _ in found], work)
    return _applied(slug, tree, mails, found, ids)


def _applied(
    slug: str,
    tree: Tree,
    mails: read.SourceMails,
    made: Sequence[tuple[str, str]],
    patch_ids: Sequence[str],
) -> Applied:
    rows = zip(mails.patches, made, patch_ids, mails.sha256, strict=True)
    return Applied(
        slug=slug,
        source=mails.label,
        tree=tree.name,
        release=tree.release,
        base=tree.commit,
        patches=tuple(
            Patch(p.number, subject, commit, patch_id, sha256)
            for p, (commit, subject), patch_id, sha256 in rows
        ),
        tags=f"series/{slug}/{_word(mails.label)}/{tree.release}",
    )


def _require_files(git: Git, tree: Tree, tip: str) -> None:
    """Raise InputError for a series that makes anything but files."""
    # git reads all parts of a mail, in any encoding.
    if _LINK.search(git("log", "--raw", "--format=", f"{tree.commit}..{tip}").stdout):
        raise InputError(
            "the series makes a link or submodule", where=tree.name, expected="files only"
        )


def _apply(
    cache: Cache, git: Git, slug: str, tree: Tree, mails: read.SourceMails, listen: Listener
) -> Applied:
    with cache.staging() as work, checked_out(cache, tree, tree.commit, listen) as folder:
        worktree = Git(folder, log=git.log, deadline=git.deadline)
        try:
            made = _am(worktree, tree, mails.patches, work)
            ids = git_patches.patch_ids(worktree, [commit for commit, _ in made], work)
        except BaseException:
            # With a deadline of its own, and without hiding the first error.
            cleaner = Git(folder, log=git.log, deadline=Deadline(CLEAN_S))
            with contextlib.suppress(HarnessError):
                cleaner.clean_to(tree.commit)
            raise
        return _applied(slug, tree, mails, made, ids)


def _am(
    worktree: Git, tree: Tree, patches: Sequence[PatchMail], work: Path
) -> list[tuple[str, str]]:
    """Apply with git am and return one commit and subject per patch."""
    series = work / "series.mbx"
    series.write_bytes(b4.mbox([p.raw for p in patches]))
    try:
        worktree.am(series)
    except ToolFailed as failed:
        worktree.clean_to(tree.commit)
        raise _first_failure(worktree, patches, work) or failed from failed
    made = worktree.commits_since(tree.commit)
    if len(made) != len(patches):
        raise DoesNotApply(
            f"git made {len(made)} commits of {len(patches)} patches on {tree.name}",
            hint=f"the whole log is in {worktree.log}",
            detail="\n".join(subject for _, subject in made),
        )
    _require_files(worktree, tree, "HEAD")
    return made


def _first_failure(worktree: Git, patches: Sequence[PatchMail], work: Path) -> HarnessError | None:
    """Apply patch by patch; return the error of the first that fails, with its file and hunk."""
    for patch in patches:
        file = work / f"{patch.number}.patch"
        file.write_bytes(b4.mbox([patch.raw]))
        where = git_patches.check(worktree, file)
        if where is None:
            worktree.am(file)
            continue
        what = f"patch {patch.number}/{patch.total} ({patch.subject}) does not apply"
        hint = read.lost_tabs(patch)
        if hint is not None:
            return InputError(f"{what}: its tabs became spaces", where=where, hint=hint)
        hunk = next((h for h in patch.hunks if f"{h.file}:{h.old_start}" == where), None)
        return DoesNotApply(
            what,
            where=where,
            hint="rebase it, or choose the tree it was made for",
            detail=hunk.text if hunk else None,
        )
    return None


def _tag(git: Git, applied: Applied) -> None:
    git.tag(f"{applied.tags}/base", applied.base)
    for patch in applied.patches:
        git.tag(f"{applied.tags}/{patch.number}", patch.commit)
    git.tag(f"{applied.tags}/tip", applied.tip)


def _word(label: str) -> str:
    """Return a label as part of a tag's name."""
    allowed = "".join(c if c.isalnum() or c in "-_." else "-" for c in label)
    return allowed.strip("-.").replace("..", "-")
