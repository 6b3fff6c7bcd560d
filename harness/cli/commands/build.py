# SPDX-License-Identifier: GPL-2.0-only
"""`harness build`."""

import click

from harness.cli.options import (
    KernelOptions,
    chosen_cache,
    chosen_project,
    follow_up_option,
    json_option,
    kernel_options,
    print_json,
)
from harness.cli.progress import watching
from harness.errors import InputError


@click.command()
@kernel_options
@click.option(
    "--prefix",
    "prefixes",
    multiple=True,
    metavar="K",
    help="0 (base), 1, 2 …, tip or all; may be given again (default: base and tip).",
)
@follow_up_option
@json_option
def build(
    kernels: KernelOptions, prefixes: tuple[str, ...], follow_up: bool, as_json: bool
) -> None:
    """Build kernels of WHAT with the plan's configuration.

    Builds nothing if Kconfig drops an option of a fragment. Kernels are cached by commit,
    configuration and compiler.

    \b
    Examples:
      harness build                          base and tip of memcpy-streaming on v7.2
      harness build --prefix all             base and every prefix
      harness build --prefix all --follow-up and our own patches on top
      harness build --profile vng --prefix 0
    """
    from harness.kernel import build as kernel_build
    from harness.kernel import configure
    from harness.record.record import FOLLOW_UP
    from harness.series import apply as series_apply
    from harness.series import on_top, trust

    project, cache = chosen_project(), chosen_cache()
    how = configure.recipe(
        project,
        project.plan(kernels.plan).kconfig,
        profile=kernels.profile,
        compiler=kernels.compiler,
    )
    trust.require(cache, kernels.source)
    with watching() as listen:
        kernel_tree, applied = series_apply.on_tree(
            project, cache, kernels.slug, kernels.tree, kernels.source, listen
        )
        chosen = _chosen(prefixes or ("0", "tip"), len(applied.patches))
        commits: dict[int | str, str] = {k: applied.prefix(k) for k in chosen}
        if follow_up:
            applied = on_top.with_follow_up(project, cache, kernel_tree, applied)
            commits[FOLLOW_UP] = applied.last
        built = {
            k: kernel_build.build(cache, kernel_tree, commit, how, listen, title=_title(k))
            for k, commit in commits.items()
        }
    if as_json:
        print_json([{"prefix": k, "kernel": kernel} for k, kernel in built.items()])
        return
    for k, kernel in built.items():
        click.echo(f"{k}  {kernel.commit[:12]}  {kernel.release}  {kernel.image}")


def _title(prefix: int | str) -> str:
    return f"prefix {prefix}" if isinstance(prefix, int) else prefix


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
