# SPDX-License-Identifier: GPL-2.0-only
"""`harness plan`: a plan as jobs of a CI system."""

from typing import TYPE_CHECKING

import click

from harness.errors import InputError
from harness.project.project import Project

if TYPE_CHECKING:
    from harness.report.formats.ci import Task


@click.command()
@click.option(
    "--format",
    "target",
    type=click.Choice(["github", "gitlab"]),
    required=True,
    help="A matrix for GitHub Actions, or a child pipeline for GitLab.",
)
@click.option(
    "--series", "slugs", multiple=True, metavar="S", help="Only this series; may be given again."
)
@click.option(
    "--tree", "trees", multiple=True, metavar="T", help="Only on this tree; may be given again."
)
@click.argument("plan", metavar="[PLAN]", default="quick")
@click.argument("more", metavar="[-- OPTION…]", nargs=-1)
def plan(
    target: str, slugs: tuple[str, ...], trees: tuple[str, ...], plan: str, more: tuple[str, ...]
) -> None:
    """Print the jobs of PLAN: every series on every tree that it has a port for.

    Each job runs `./bootstrap reproduce` with PLAN (from configs/plans/, default: quick) and the
    options after `--`. Nothing is fetched or run. configs/ci/ has the workflows that use them.

    \b
    Examples:
      harness plan --format github
      harness plan --format gitlab reproduce --tree v7.2 -- --require-verdict
    """
    from harness.report.formats import ci

    project = Project.find()
    project.plan(plan)
    for slug in slugs:
        project.require_series(slug)
        project.measurable_series(slug)
    for tree in trees:
        if tree not in project.trees():
            known = ", ".join(project.trees())
            raise InputError(f"no tree {tree!r}", where="--tree", expected=f"one of {known}")
    tasks = [
        _task(slug, tree, plan, more)
        for slug in slugs or project.slugs()
        for tree in trees or project.trees()
        if _can_run(project, slug, tree)
    ]
    if not tasks:
        raise InputError(
            "has nothing to run",
            where=f"plan {plan}",
            expected="a series with a port for a tree of configs/trees.yaml",
        )
    click.echo(ci.github(tasks) if target == "github" else ci.gitlab(tasks), nl=False)
    if target == "github":
        click.echo()


def _task(slug: str, tree: str, plan: str, more: tuple[str, ...]) -> "Task":
    from harness.report.formats.ci import Task

    arguments = ("reproduce", slug, "--tree", tree, "--plan", plan, "--json", *more)
    return Task(f"{slug} {tree} {plan}", arguments)


def _can_run(project: Project, slug: str, tree: str) -> bool:
    """Judge by names: v7.3-rc7 uses port v7.3. A git ref's release is unknown before a fetch."""
    series = project.series(slug)
    ports = series.ports if series.function == series.measured.function else ()
    return tree in ports or tree.partition("-")[0] in ports
