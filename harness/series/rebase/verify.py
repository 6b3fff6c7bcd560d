# SPDX-License-Identifier: GPL-2.0-only
"""Finishes a rebase: writes the mails, applies them, compares them with the old patches."""

import msgspec

from harness.errors import DoesNotApply, ToolFailed
from harness.events import Ended, Listener, Note
from harness.git import patches
from harness.git.git import Git
from harness.git.range_diff import Pair, parse_range_diff
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.host.processes.process import Deadline
from harness.project.project import Project
from harness.series import apply, ports
from harness.series.mails import b4
from harness.series.rebase.outcome import LEFT_OUT, Rebased
from harness.series.rebase.state import RebaseState
from harness.series.source import RebasedSource
from harness.trees.names import file_name, repository_at

FINISH_S = 600


def finish(project: Project, cache: Cache, state: RebaseState, listen: Listener) -> Rebased:
    """Write the rebased series as mails, apply these, and compare the result.

    Raises DoesNotApply if the mails give another tree than the rebase.
    """
    outcome = msgspec.structs.replace(state.outcome(), tip=state.head)
    if all(step.how in LEFT_OUT for step in state.steps):
        listen(Ended(f"nothing is left of {state.slug}: {state.onto} has all of it"))
        return outcome
    git = Git(cache.repository, log=cache.log("rebase"), deadline=Deadline(FINISH_S))
    # A path does not belong into mails, records and names of ports.
    called = state.tree.name if repository_at(state.onto) else state.onto
    with cache.staging() as work:
        files = patches.format_patches(git, state.tree.commit, state.head, work / "mails")
        names = [file.name for file in files]
        mails = ports.with_ids([f.read_bytes() for f in files], state.slug, called)
    mbox = cache.root / "rebased" / state.slug / f"{file_name(called)}.mbox"
    mbox.parent.mkdir(parents=True, exist_ok=True)
    replace_file(mbox, b4.mbox(mails))
    label = f"{state.origin.source} on {called}"
    source = RebasedSource(mbox, label)
    applied = apply.apply(project, cache, state.slug, state.tree, source, listen)
    if git("diff", "--quiet", state.head, applied.tip, ok=(0, 1)).exit_code:
        raise DoesNotApply("the mails give another tree than the rebase", where=str(mbox))
    pairs = _compared(git, state, applied.tip, listen)
    exported = ""
    if state.export:
        exported = str(ports.write(project, state.slug, called, names, mails))
    listen(Ended(f"rebased {state.slug} onto {state.onto} ({state.tree.release})"))
    return msgspec.structs.replace(
        outcome, tip=applied.tip, mbox=str(mbox), label=label, pairs=pairs, exported=exported
    )


def _compared(git: Git, state: RebaseState, tip: str, listen: Listener) -> tuple[Pair, ...]:
    """Return the range-diff; the rebase is valid without one."""
    old = (state.origin.base, state.origin.tip)
    try:
        return parse_range_diff(patches.range_diff(git, old, (state.tree.commit, tip)))
    except ToolFailed as error:
        listen(Note(f"no range-diff: {error}"))
        return ()
