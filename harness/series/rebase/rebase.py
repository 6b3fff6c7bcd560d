# SPDX-License-Identifier: GPL-2.0-only
"""Rebases a series to another tree, patch by patch, and proves that it applies there.

Each patch is applied plainly, else merged three-way with the series' own base, else as the same
conflict was resolved before. The result is written as mails and applied once more.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import DoesNotApply, HarnessError, InputError
from harness.events import Advanced, Began, Listener, Note, silent
from harness.git import patches
from harness.git.git import Git
from harness.git.worktree import Worktree
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.series import ports
from harness.series.bases import base
from harness.series.rebase import resolution, verify
from harness.series.rebase import state as states
from harness.series.rebase.history import history
from harness.series.rebase.outcome import Conflict, Rebased
from harness.series.rebase.pick import Picker, Stopped
from harness.series.rebase.state import RebaseState
from harness.series.source import Source
from harness.trees import tree
from harness.trees.names import worktree_name

REBASE_S = 1800


class RebaseRequest(msgspec.Struct, frozen=True):
    """What to rebase. `source` None is the nearest port; `base` names the tree it was made for."""

    slug: str
    onto: str
    source: Source | None = None
    base: str | None = None
    export: bool = False


def rebase(
    project: Project, cache: Cache, wanted: RebaseRequest, listen: Listener = silent
) -> Rebased:
    """Rebase a series to a tree; return the result, or the conflict it stopped at.

    Raises InputError, MachineError if it cannot be attempted.
    """
    slug, onto = wanted.slug, wanted.onto
    project.series(slug)
    if states.load(cache, slug, onto) is not None:
        raise InputError(
            f"a rebase of {slug} onto {onto} is in progress",
            where=str(states.worktree(cache, slug, onto)),
            hint="finish it with --continue, or give it up with --abort",
        )
    abort(cache, slug, onto)  # a killed run may have left its worktree
    new = tree.fetch(project, cache, onto, listen)
    source = wanted.source or ports.nearest(project, slug, new)
    listen(Began(f"rebase {slug} onto {onto} ({new.release})"))
    found = base.find(project, cache, slug, source, listen, base=wanted.base, beside=onto)
    state = _attempt(project, cache, _start(cache, wanted, found, new), listen)
    if state.conflict is not None and not found.has_base:
        # Only now is the base worth a download.
        found = base.find(project, cache, slug, source, listen, beside=onto, fetch=True)
        listen(Note(f"a merge is needed: {found.note}"))
        state = _attempt(project, cache, _start(cache, wanted, found, new), listen)
    if state.conflict is None:
        return verify.finish(project, cache, state, listen)
    with cache.locked(states.worktree(cache, slug, onto).name):
        states.remove(cache, slug, onto)
        git = _private(cache, state)
        repository = Git(cache.repository, log=git.log, deadline=git.deadline)
        Worktree(repository, git.folder).bring_to(state.head)
        # The same conflict again, in a worktree that can wait for the user.
        return _go_on(project, cache, git, msgspec.structs.replace(state, conflict=None), listen)


def all_onto(
    project: Project, cache: Cache, wanted: Sequence[RebaseRequest], listen: Listener = silent
) -> tuple[Rebased, ...]:
    """Rebase to several trees; an error of one is its result and does not stop the others."""
    found = []
    for request in wanted:
        try:
            found.append(rebase(project, cache, request, listen))
        except HarnessError as error:
            if len(wanted) == 1:
                raise
            listen(Note(f"{request.onto}: {error}"))
            found.append(
                Rebased(request.slug, request.onto, failure=str(error), exit_code=error.exit_code)
            )
    return tuple(found)


def attempt(
    project: Project,
    cache: Cache,
    slug: str,
    found: base.SeriesCommits,
    new: Tree,
    listen: Listener = silent,
) -> RebaseState:
    """Rebase as far as possible and leave nothing but commits.

    `head` of the result has the whole series unless `conflict` is set.
    """
    return _attempt(
        project, cache, _start(cache, RebaseRequest(slug, new.name), found, new), listen
    )


def go_on(
    project: Project,
    cache: Cache,
    slug: str,
    onto: str,
    listen: Listener = silent,
    *,
    skip: bool = False,
) -> Rebased:
    """Commit the resolved patch (with `skip`: leave it out) and rebase the remaining ones.

    Raises DoesNotApply if the conflict is still there.
    """
    with cache.locked(states.worktree(cache, slug, onto).name):
        state = states.load(cache, slug, onto)
        if state is None:
            raise InputError(f"no rebase of {slug} onto {onto} is in progress", where="--continue")
        git = _private(cache, state)
        if not git.folder.is_dir():
            raise InputError("is gone", where=str(git.folder), hint="start again after --abort")
        if state.conflict is None:
            git.clean_to(state.head)  # the last run stopped after the conflict was resolved
        else:
            take = resolution.skipped if skip else resolution.resolved
            state = state.after(take(git, state, state.conflict))
            states.save(cache, state)
        listen(Began(f"rebase {slug} onto {onto} ({state.tree.release})"))
        return _go_on(project, cache, git, state, listen)


def abort(cache: Cache, slug: str, onto: str) -> None:
    """Give a rebase up, and remove its worktree."""
    with cache.locked(states.worktree(cache, slug, onto).name):
        states.remove(cache, slug, onto)


def _start(
    cache: Cache, wanted: RebaseRequest, found: base.SeriesCommits, new: Tree
) -> RebaseState:
    git = Git(cache.repository, log=cache.log("rebase"), deadline=Deadline(REBASE_S))
    shown = git("show", "--no-patch", "--format=%s", *found.commits).stdout
    return RebaseState(
        slug=wanted.slug,
        onto=wanted.onto,
        origin=found,
        tree=new,
        head=new.commit,
        export=wanted.export,
        subjects=tuple(shown.split("\n")[: len(found.commits)]),
    )


def _attempt(project: Project, cache: Cache, state: RebaseState, listen: Listener) -> RebaseState:
    """Rebase in the tree's own worktree, and leave that clean. Most rebases need no other."""
    with tree.checked_out(cache, state.tree, state.head):
        git = _git(cache, state, cache.worktrees / worktree_name(state.tree.name))
        try:
            return _pick_all(project, cache, git, state, listen)
        finally:
            patches.forget_conflict(git)
            git.clean_to(state.tree.commit)


def _go_on(
    project: Project, cache: Cache, git: Git, state: RebaseState, listen: Listener
) -> Rebased:
    """Rebase the remaining patches in the private worktree; a conflict stays there."""
    state = _pick_all(project, cache, git, state, listen)
    if state.conflict is None:
        done = verify.finish(project, cache, state, listen)
        states.remove(cache, state.slug, state.onto)
        return done
    states.save(cache, state)
    return msgspec.structs.replace(
        state.outcome(), conflict=state.conflict, exit_code=DoesNotApply.exit_code
    )


def _pick_all(
    project: Project, cache: Cache, git: Git, state: RebaseState, listen: Listener
) -> RebaseState:
    """Pick the remaining patches, or stop at the first conflict."""
    past = history(project, state.onto, state.tree, state.origin, git.log, listen)
    total = len(state.origin.commits)
    with cache.staging() as work:
        picker = Picker(git, state.origin, state.tree.commit, past, work)
        if picker.note and picker.note not in state.notes:
            state = msgspec.structs.replace(state, notes=(*state.notes, picker.note))
        while state.next <= total:
            number = state.next
            listen(Advanced(number - 1, total))
            subject = state.subjects[number - 1]
            try:
                step = picker.pick(number, subject, state.origin.commits[number - 1])
            except Stopped as stopped:
                conflict = Conflict(
                    number, total, subject, stopped.places, str(git.folder), stopped.note
                )
                return msgspec.structs.replace(state, conflict=conflict)
            if step.how != "plain":
                listen(Note(f"patch {number}/{total} ({subject}): {step.how}: {step.detail}"))
            state = state.after(step)
    return state


def _private(cache: Cache, state: RebaseState) -> Git:
    return _git(cache, state, states.worktree(cache, state.slug, state.onto))


def _git(cache: Cache, state: RebaseState, folder: Path) -> Git:
    log = cache.log(states.worktree(cache, state.slug, state.onto).name)
    return Git(folder, log=log, deadline=Deadline(REBASE_S))
