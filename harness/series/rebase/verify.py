# SPDX-License-Identifier: GPL-2.0-only
"""A series that has arrived on a tree: written as mails, proved by them, compared with before."""

import msgspec

from harness.errors import DoesNotApply, ToolFailed
from harness.events import Ended, Listener, Note
from harness.git import patches
from harness.git.git import Git
from harness.git.range_diff import Pair, parse_range_diff
from harness.host.cache import Cache
from harness.host.files import replace_file
from harness.host.process import Deadline
from harness.project.project import Project
from harness.series import apply, b4, ports
from harness.series.rebase.outcome import LEFT_OUT, Rebased
from harness.series.rebase.state import Journey
from harness.series.source import RebasedSource
from harness.trees.names import file_name

FINISH_S = 600


def described(journey: Journey) -> Rebased:
    """Return what can be said of a journey wherever it is."""
    return Rebased(
        slug=journey.slug,
        onto=journey.onto,
        source=journey.origin.source,
        origin=journey.origin.told,
        tree=journey.tree.name,
        release=journey.tree.release,
        base=journey.tree.commit,
        steps=journey.steps,
        notes=journey.notes,
    )


def finish(project: Project, cache: Cache, journey: Journey, listen: Listener) -> Rebased:
    """Write a whole series as mails, apply these as everybody would, compare with what it was.

    Raises DoesNotApply where the mails do not give what was carried.
    """
    carried = msgspec.structs.replace(described(journey), tip=journey.head)
    if all(step.how in LEFT_OUT for step in journey.steps):
        listen(Ended(f"nothing is left of {journey.slug}: {journey.onto} has all of it"))
        return carried
    git = Git(cache.repository, log=cache.log("rebase"), deadline=Deadline(FINISH_S))
    with cache.staging() as work:
        files = patches.format_patches(git, journey.tree.commit, journey.head, work / "mails")
        names = [file.name for file in files]
        mails = ports.with_ids([f.read_bytes() for f in files], journey.slug, journey.onto)
    mbox = cache.root / "carried" / journey.slug / f"{file_name(journey.onto)}.mbox"
    mbox.parent.mkdir(parents=True, exist_ok=True)
    replace_file(mbox, b4.mbox(mails))
    label = f"{journey.origin.source} on {journey.onto}"
    applied = apply.apply(
        project, cache, journey.slug, journey.tree, RebasedSource(mbox, label), listen
    )
    if git("diff", "--quiet", journey.head, applied.tip, ok=(0, 1)).exit_code:
        raise DoesNotApply("the mails give another tree than what was carried", where=str(mbox))
    pairs = _compared(git, journey, applied.tip, listen)
    exported = ""
    if journey.export:
        exported = str(ports.write(project, journey.slug, journey.onto, names, mails))
    listen(Ended(f"{journey.slug} is on {journey.onto} ({journey.tree.release})"))
    return msgspec.structs.replace(
        carried, tip=applied.tip, mbox=str(mbox), label=label, pairs=pairs, exported=exported
    )


def _compared(git: Git, journey: Journey, tip: str, listen: Listener) -> tuple[Pair, ...]:
    """Return the range-diff; without one the series has arrived all the same."""
    old = (journey.origin.base, journey.origin.tip)
    try:
        return parse_range_diff(patches.range_diff(git, old, (journey.tree.commit, tip)))
    except ToolFailed as error:
        listen(Note(f"no range-diff: {error}"))
        return ()
