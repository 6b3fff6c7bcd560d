# SPDX-License-Identifier: GPL-2.0-only
"""Variants: the whole series and one more patch on top that stores in another way."""

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
    """Return the variants with these names. Raises InputError for an unknown one."""
    known = {variant.name: variant for variant in series.variants}
    for name in names:
        if name not in known:
            raise InputError(
                f"no variant {name!r}", where="--store", expected=f"any of {', '.join(known)}"
            )
    return tuple(known[name] for name in names)


def missing_cpu_feature(variant: Variant) -> str:
    """Return a note if the CPU lacks the feature that a variant needs, or an empty string."""
    if not variant.cpu or variant.cpu in cpu(Path("/proc/cpuinfo").read_text()).flags:
        return ""
    return f"{variant.name} is left out: this CPU lacks {variant.cpu}"


def commit(project: Project, cache: Cache, tree: Tree, applied: Applied, variant: Variant) -> str:
    """Return the commit of the series with the variant's patch on top, or tip if it has no patch.

    Raises InputError if the variant has no patch for this tree, DoesNotApply if it does not apply.
    """
    if variant.is_tip:
        return applied.tip
    base = ports.for_tree(project, applied.slug, tree).base
    file = project.series_folder / applied.slug / "variants" / base / f"{variant.name}.patch"
    if not file.exists():
        raise InputError(
            "missing", where=str(file), expected="a patch on top of the port for this tree"
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
        # Keeps git from pruning it.
        worktree.tag(f"{applied.tags}/variant-{variant.name}", made)
    return made
