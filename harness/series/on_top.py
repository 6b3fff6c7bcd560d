# SPDX-License-Identifier: GPL-2.0-only
"""Applies our own patches on top of a series: its follow-up, or a variant of it.

They are made for a port. No posted version has them, so none of its claims is about them.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import DoesNotApply, InputError
from harness.git import patches
from harness.git.git import Git
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.record.applied import Applied, Patch
from harness.series import ports
from harness.trees.tree import checked_out

APPLY_S = 600
#: The folder of a series with the files of `follow_up`, by base.
FOLLOW_UPS = "follow-ups"


def with_follow_up(project: Project, cache: Cache, tree: Tree, applied: Applied) -> Applied:
    """Return an applied series with its follow-up for this tree on top.

    Raises InputError if the series has none, DoesNotApply if it does not apply.
    """
    names = project.series(applied.slug).follow_up
    if not names:
        raise InputError(
            "has no follow-up",
            where=str(project.series_file(applied.slug)),
            expected="key follow_up",
            hint="leave out --follow-up",
        )
    files = files_for(project, tree, applied.slug, FOLLOW_UPS, names)
    return msgspec.structs.replace(
        applied, follow_up=commit(cache, tree, applied, files, "follow-up")
    )


def files_for(
    project: Project, tree: Tree, slug: str, folder: str, names: Sequence[str]
) -> list[Path]:
    """Return the files of a folder of a series for the port of a tree. Raises InputError."""
    base = ports.for_tree(project, slug, tree).base
    files = [project.series_folder / slug / folder / base / name for name in names]
    for file in files:
        if not file.is_file():
            raise InputError(
                "missing", where=str(file), expected="a patch on top of the port for this tree"
            )
    return files


def commit(
    cache: Cache, tree: Tree, applied: Applied, files: Sequence[Path], name: str
) -> tuple[Patch, ...]:
    """Commit patches on top of a series and tag the last; return one Patch per file.

    Raises DoesNotApply, naming the first file that does not apply.
    """
    raw = [file.read_bytes() for file in files]
    log, deadline = cache.log("on-top"), Deadline(APPLY_S)
    with checked_out(cache, tree, applied.tip) as folder:
        worktree = Git(folder, log=log, deadline=deadline)
        try:
            for file in files:
                where = patches.check(worktree, file)
                if where is not None:
                    raise DoesNotApply(
                        f"{name}: {file.name} does not apply on top of {applied.source}",
                        where=where,
                        hint="it is made for the port of this tree",
                    )
                worktree.am(file)
            made = worktree.commits_since(applied.tip)
        finally:
            worktree.clean_to(applied.tip)
        # Keeps git from pruning them.
        worktree.tag(f"{applied.tags}/{name}", made[-1][0])
        with cache.staging() as work:
            ids = patches.patch_ids(worktree, [its for its, _ in made], work)
        return tuple(
            Patch(number, subject, its, patch_id, hashlib.sha256(mail).hexdigest())
            for number, ((its, subject), patch_id, mail) in enumerate(
                zip(made, ids, raw, strict=True), 1
            )
        )
