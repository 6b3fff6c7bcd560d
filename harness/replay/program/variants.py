# SPDX-License-Identifier: GPL-2.0-only
"""Variants: the whole series and one more patch on top that stores in another way."""

from pathlib import Path

from harness.errors import InputError
from harness.host.cache import Cache
from harness.measure.machine import cpu
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.series import Series, Variant
from harness.record.applied import Applied
from harness.series import on_top


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
    names = [f"{variant.name}.patch"]
    files = on_top.files_for(project, tree, applied.slug, "variants", names)
    name = f"variant-{variant.name}"
    return on_top.commit(cache, tree, applied, files, name)[-1].commit
