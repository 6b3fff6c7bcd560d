# SPDX-License-Identifier: GPL-2.0-only
"""The verb: a series carried from its base to another tree, patch by patch, and proved there.

Plain application comes first, then a three-way merge with the series' own base, then what somebody
made of the same conflict before. What comes out is written as mails, and applied once more as
everybody else would apply it.
"""

from collections.abc import Sequence

import msgspec

from harness.errors import DoesNotApply, HarnessError, InputError
from harness.events import Advanced, Began, Listener, Note, silent
from harness.git import patches
from harness.git.git import Git
from harness.git.worktree import Worktree
from harness.host.cache import Cache
from harness.host.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.series import base as origin
from harness.series import ports
from harness.series.rebase import resolution, state, verify
from harness.series.rebase.history import history
from harness.series.rebase.outcome import Conflict, Rebased
from harness.series.rebase.pick import Carrier, Stopped, merged_upstream
from harness.series.rebase.state import Journey
from harness.series.source import Source
from harness.trees import tree
from harness.trees.names import worktree_name

CARRY_S = 1800


class RebaseRequest(msgspec.Struct, frozen=True):
    """What to carry where. `source` None is the nearest port; `base` the tree it was made for."""

    slug: str
    onto: str
    source: Source | None = None
    base: str | None = None
    export: bool = False


def rebase(
    project: Project, cache: Cache, wanted: RebaseRequest, listen: Listener = silent
) -> Rebased:
    """Carry a series to a tree; return it there, or the conflict it stopped at.

    Raises InputError, MachineError where it cannot be tried.
    """
    project.series(wanted.slug)
    if state.waiting(cache, wanted.slug, wanted.onto) is not None:
        raise InputError(
            f"a rebase of {wanted.slug} onto {wanted.onto} waits",
            where=str(state.worktree(cache, wanted.slug, wanted.onto)),
            hint="go on with --continue, or give it up with --abort",
        )
    abort(cache, wanted.slug, wanted.onto)  # what a killed run may have left
    new = tree.fetch(project, cache, wanted.onto, listen)
    source = wanted.source or ports.nearest(project, wanted.slug, new)
    listen(Began(f"carry {wanted.slug} onto {wanted.onto} ({new.release})"))
    found = origin.find(
        project, cache, wanted.slug, source, listen, base=wanted.base, beside=wanted.onto
    )
    journey = _tried(project, cache, _begun(cache, wanted, found, new), listen)
    if journey.conflict is not None and not found.is_whole:
        # Only now is the base worth a download.
        found = origin.find(
            project, cache, wanted.slug, source, listen, beside=wanted.onto, fetch=True
        )
        listen(Note(f"a merge is needed: {found.told}"))
        journey = _tried(project, cache, _begun(cache, wanted, found, new), listen)
    if journey.conflict is None:
        return verify.finish(project, cache, journey, listen)
    return _left_to_resolve(project, cache, journey, listen)


def all_onto(
    project: Project, cache: Cache, wanted: Sequence[RebaseRequest], listen: Listener = silent
) -> tuple[Rebased, ...]:
    """Carry a series to several trees; what keeps one from being tried does not stop the others."""
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


def tried(
    project: Project,
    cache: Cache,
    slug: str,
    found: origin.SeriesCommits,
    new: Tree,
    listen: Listener = silent,
) -> Journey:
    """Carry a series to a commit as far as it goes, and leave nothing but the commits.

    Its `head` has the whole series unless `conflict` says where it stopped.
    """
    journey = _begun(cache, RebaseRequest(slug, new.name), found, new)
    return _tried(project, cache, journey, listen)


def go_on(
    project: Project,
    cache: Cache,
    slug: str,
    onto: str,
    listen: Listener = silent,
    *,
    skip: bool = False,
) -> Rebased:
    """Take what somebody made of a conflict (or leave the patch out) and carry on behind it.

    Raises DoesNotApply where the conflict is still there.
    """
    with cache.locked(state.worktree(cache, slug, onto).name):
        journey = state.waiting(cache, slug, onto)
        if journey is None:
            raise InputError(f"no rebase of {slug} onto {onto} waits", where="--continue")
        git = _git(cache, journey, private=True)
        if not git.folder.is_dir():
            raise InputError(
                "is gone", where=str(git.folder), hint="give the rebase up with --abort"
            )
        if journey.conflict is None:
            git.clean_to(journey.head)  # killed behind a conflict that was taken over
        else:
            step = resolution.skipped(git, journey) if skip else resolution.taken(git, journey)
            journey = journey.after(step)
            state.keep(cache, journey)
        listen(Began(f"carry {slug} onto {onto} ({journey.tree.release})"))
        journey = _carry(project, cache, git, journey, listen)
        if journey.conflict is not None:
            return _stopped(cache, journey)
        done = verify.finish(project, cache, journey, listen)
        state.forget(cache, slug, onto)
        return done


def abort(cache: Cache, slug: str, onto: str) -> None:
    """Give a rebase up, and remove its worktree."""
    with cache.locked(state.worktree(cache, slug, onto).name):
        state.forget(cache, slug, onto)


def _begun(cache: Cache, wanted: RebaseRequest, found: origin.SeriesCommits, new: Tree) -> Journey:
    git = Git(cache.repository, log=cache.log("rebase"), deadline=Deadline(CARRY_S))
    shown = git("show", "--no-patch", "--format=%s", *found.commits).stdout
    return Journey(
        slug=wanted.slug,
        onto=wanted.onto,
        origin=found,
        tree=new,
        head=new.commit,
        export=wanted.export,
        subjects=tuple(shown.split("\n")[: len(found.commits)]),
    )


def _tried(project: Project, cache: Cache, journey: Journey, listen: Listener) -> Journey:
    """Carry in the tree's own worktree, which is left clean: most of the time that is all."""
    with tree.checked_out(cache, journey.tree, journey.head):
        git = _git(cache, journey)
        try:
            return _carry(project, cache, git, journey, listen)
        finally:
            patches.forget_conflict(git)
            git.clean_to(journey.tree.commit)


def _left_to_resolve(project: Project, cache: Cache, journey: Journey, listen: Listener) -> Rebased:
    """Meet the conflict again in a worktree of its own, and leave it there for somebody."""
    folder = state.worktree(cache, journey.slug, journey.onto)
    with cache.locked(folder.name):
        state.forget(cache, journey.slug, journey.onto)
        git = _git(cache, journey, private=True)
        Worktree(cache.repository, folder, log=git.log, deadline=git.deadline).bring_to(
            journey.head
        )
        again = _carry(project, cache, git, msgspec.structs.replace(journey, conflict=None), listen)
        if again.conflict is None:
            # Another rebase has recorded the resolution meanwhile.
            done = verify.finish(project, cache, again, listen)
            state.forget(cache, journey.slug, journey.onto)
            return done
        return _stopped(cache, again)


def _carry(project: Project, cache: Cache, git: Git, journey: Journey, listen: Listener) -> Journey:
    """Place the remaining patches on top of each other, or stop at the first that cannot be."""
    past = history(project, journey.tree, journey.origin, git.log)
    merged, note = merged_upstream(past, git, journey.origin)
    notes = dict.fromkeys((*journey.notes, *([note] if note else [])))
    journey = msgspec.structs.replace(journey, notes=tuple(notes))
    total = len(journey.origin.commits)
    with cache.staging() as work:
        carrier = Carrier(git, journey.origin, journey.tree.commit, past, merged, work)
        while journey.next <= total:
            number = journey.next
            listen(Advanced(number - 1, total))
            subject = journey.subjects[number - 1]
            try:
                step = carrier.place(number, subject, journey.origin.commits[number - 1])
            except Stopped as stopped:
                conflict = Conflict(
                    number, total, subject, stopped.places, str(git.folder), stopped.note
                )
                return msgspec.structs.replace(journey, conflict=conflict)
            if step.how != "plain":
                listen(Note(f"patch {number}/{total} ({subject}): {step.how}: {step.detail}"))
            journey = journey.after(step)
    return journey


def _stopped(cache: Cache, journey: Journey) -> Rebased:
    state.keep(cache, journey)
    carried = verify.described(journey)
    return msgspec.structs.replace(
        carried, conflict=journey.conflict, exit_code=DoesNotApply.exit_code
    )


def _git(cache: Cache, journey: Journey, *, private: bool = False) -> Git:
    name = state.worktree(cache, journey.slug, journey.onto)
    folder = name if private else cache.worktrees / worktree_name(journey.tree.name)
    return Git(folder, log=cache.log(name.name), deadline=Deadline(CARRY_S))
