# SPDX-License-Identifier: GPL-2.0-only
"""What if: the whole series with one more patch of ours on top, that stores another way."""

from pathlib import Path

from harness.errors import DoesNotApply, InputError
from harness.git import patches
from harness.git.git import Git
from harness.host.cache import Cache
from harness.host.process import Deadline
from harness.measure.machine import cpu
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.series import Series, Variant
from harness.record.applied import Applied
from harness.series import ports
from harness.trees.tree import checked_out

APPLY_S = 600


def chosen(series: Series, names: tuple[str, ...]) -> tuple[Variant, ...]:
    """Return the variants of these names. Raises InputError for one that there is not."""
    known = {variant.name: variant for variant in series.variants}
    for name in names:
        if name not in known:
            raise InputError(
                f"no variant {name!r}", where="--store", expected=f"any of {', '.join(known)}"
            )
    return tuple(known[name] for name in names)


def lacks(variant: Variant) -> str:
    """Return what this machine's CPU lacks for a variant, or nothing."""
    if not variant.cpu or variant.cpu in cpu(Path("/proc/cpuinfo").read_text()).flags:
        return ""
    return f"{variant.name}: this CPU has no {variant.cpu}"


def commit(project: Project, cache: Cache, tree: Tree, applied: Applied, variant: Variant) -> str:
    """Return the commit of the whole series with the variant's patch; tip where it has none.

    Raises InputError where there is no patch for this tree, DoesNotApply where it does not fit.
    """
    if variant.is_tip:
        return applied.tip
    base = ports.for_tree(project, applied.slug, tree).base
    file = project.series_folder / applied.slug / "variants" / base / f"{variant.name}.patch"
    if not file.exists():
        raise InputError(
            "is not there", where=str(file), expected="a patch on top of the port for this tree"
        )
    log, deadline = cache.log("variant"), Deadline(APPLY_S)
    with checked_out(cache, tree, applied.tip) as folder:
        worktree = Git(folder, log=log, deadline=deadline)
        where = patches.check(worktree, file)
        if where is not None:
            raise DoesNotApply(f"variant {variant.name} does not apply", where=where)
        try:
            worktree.am(file)
            made = worktree.commit("HEAD")
        finally:
            worktree.clean_to(applied.tip)
        assert made is not None  # noqa: S101 (am committed)
        # Or git might prune it.
        worktree.tag(f"{applied.tags}/variant-{variant.name}", made)
    return made
