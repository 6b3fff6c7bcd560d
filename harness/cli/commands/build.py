# SPDX-License-Identifier: GPL-2.0-only
"""`harness build`."""

from typing import TYPE_CHECKING

import click

from harness.cli.options import (
    build_options,
    chosen_cache,
    json_option,
    plan_option,
    print_json,
    series_argument,
    source_options,
    tree_option,
)
from harness.cli.progress import watching
from harness.errors import InputError
from harness.project.project import Project

if TYPE_CHECKING:
    from harness.series.source import Source


@click.command()
@series_argument
@tree_option
@source_options
@plan_option
@build_options
@click.option(
    "--prefix",
    "prefixes",
    multiple=True,
    metavar="K",
    help="0 (base), 1, 2 …, tip or all; may be given again (default: base and tip).",
)
@json_option
def build(
    slug: str,
    tree: str,
    source: "Source | None",
    plan: str,
    profile: str,
    compiler: str,
    prefixes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Build kernels of SERIES with the plan's configuration.

    Builds nothing if Kconfig drops an option of a fragment. Kernels are cached by commit,
    configuration and compiler.

    \b
    Examples:
      harness build                          base and tip of memcpy-streaming on v7.2
      harness build --prefix all             base and every prefix
      harness build --profile vng --prefix 0
    """
    from harness.kernel import build as build_stage
    from harness.kernel import configure
    from harness.series import apply as apply_stage
    from harness.series import trust

    project, cache = Project.find(), chosen_cache()
    how = configure.recipe(project, project.plan(plan).kconfig, profile=profile, compiler=compiler)
    trust.require(cache, source)
    with watching() as listen:
        kernel_tree, applied = apply_stage.on_tree(project, cache, slug, tree, source, listen)
        chosen = _chosen(prefixes or ("0", "tip"), len(applied.patches))
        kernels = [
            build_stage.build(
                cache, kernel_tree, applied.prefix(k), how, listen, title=f"prefix {k}"
            )
            for k in chosen
        ]
    if as_json:
        print_json(
            [{"prefix": k, "kernel": kernel} for k, kernel in zip(chosen, kernels, strict=True)]
        )
        return
    for k, kernel in zip(chosen, kernels, strict=True):
        click.echo(f"{k}  {kernel.commit[:12]}  {kernel.release}  {kernel.image}")


def _chosen(asked: tuple[str, ...], count: int) -> list[int]:
    chosen: list[int] = []
    for word in asked:
        if word == "all":
            chosen += range(count + 1)
        elif word == "tip":
            chosen.append(count)
        elif word.isdigit() and int(word) <= count:
            chosen.append(int(word))
        else:
            raise InputError(
                f"no prefix {word!r}", where="--prefix", expected=f"0 to {count}, tip or all"
            )
    return list(dict.fromkeys(chosen))
