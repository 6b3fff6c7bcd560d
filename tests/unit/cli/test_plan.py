# SPDX-License-Identifier: GPL-2.0-only
"""`harness plan`, and the example workflows, against the schemas that the CI systems publish."""

import json
import shlex
from pathlib import Path
from typing import Any

import click
import jsonschema.validators
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from harness.cli import cli
from harness.errors import InputError
from harness.project.project import Project
from harness.report.formats import ci
from harness.report.formats.ci import Task

CI = Project.find().configs / "ci"
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}


def problems(target: str, text: str) -> list[str]:
    schema = get_builtin_schema(SCHEMAS[target])
    validator = jsonschema.validators.validator_for(schema)(schema)
    # YAML 1.2, in which `on` is a word.
    return [error.message for error in validator.iter_errors(YAML(typ="safe").load(text))]


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["plan", *arguments], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.output


def matrix(text: str) -> list[dict[str, str]]:
    assert text.count("\n") == 1, "a line of $GITHUB_OUTPUT ends with the line"
    found: list[dict[str, str]] = json.loads(text)["include"]
    return found


@pytest.mark.parametrize("file", sorted(CI.glob("*.yml")), ids=lambda path: path.name)
def test_the_examples_follow_the_systems_schemas(file: Path) -> None:
    assert problems(file.name.partition("-")[0].removesuffix(".yml"), file.read_text()) == []


@pytest.mark.parametrize("target", SCHEMAS)
def test_an_invalid_workflow_is_refused_by_the_schema(target: str) -> None:
    assert problems(target, "jobs: {a: {steps: 1}}\nstages: 1\n") != []


def test_every_series_on_every_tree_that_it_has_a_port_for() -> None:
    project = Project.find()
    names = [row["name"] for row in matrix(printed("--format", "github"))]
    assert len(set(names)) == len(names)
    assert {f"memcpy-streaming {tree} quick" for tree in ("v7.2", "v7.3", "v7.3-rc7")} <= set(names)
    assert all(name.split()[0] in project.slugs() for name in names)


def test_jobs_are_commands_of_this_harness() -> None:
    chosen = ("reproduce", "--tree", "v7.2", "--series", "memcpy-streaming")
    (row,) = matrix(printed("--format", "github", *chosen, "--", "--require-verdict"))
    words = shlex.split(row["arguments"])
    assert words[-1] == "--require-verdict"
    from harness.cli.commands.reproduce import reproduce

    context = reproduce.make_context("reproduce", words[1:], **cli.context_settings)
    assert words[0] == context.command.name
    assert (context.params["what"], context.params["plan"]) == ("memcpy-streaming", "reproduce")
    assert context.params["require"] == "reproduced"


def test_the_childs_jobs_extend_what_the_example_includes() -> None:
    text = printed("--format", "gitlab")
    template = (CI / "gitlab-job.yml").read_text()
    assert problems("gitlab", template + text) == []
    jobs = yaml.safe_load(text)
    assert len(jobs) >= 3
    for job in jobs.values():
        assert job["extends"] in yaml.safe_load(template)


tasks = st.lists(
    st.builds(
        Task,
        st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=60),
        st.lists(st.text(st.characters(exclude_characters="\0")), max_size=4).map(tuple),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda task: task.name,
)


@given(tasks)
def test_any_argument_arrives_unchanged(made: list[Task]) -> None:
    rows = json.loads(ci.github(made))["include"]
    assert [(row["name"], tuple(shlex.split(row["arguments"]))) for row in rows] == [
        (task.name, task.arguments) for task in made
    ]
    jobs: dict[str, Any] = yaml.safe_load(ci.gitlab(made))
    assert list(jobs) == [task.name for task in made]
    for task, job in zip(made, jobs.values(), strict=True):
        assert tuple(shlex.split(job["script"][0])[1:]) == task.arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "github", "nonesuch"), "no plan 'nonesuch'; expected one of"),
        (("--format", "github", "--tree", "v1"), "--tree: no tree 'v1'; expected one of v7.2"),
        (("--format", "github", "--series", "x"), "no series 'x'; expected one of"),
    ],
)
def test_bad_input_is_one_clear_line(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        printed(*arguments)


def test_an_unknown_system_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="jenkins"):
        printed("--format", "jenkins")


def test_more_jobs_than_the_system_allows_are_refused() -> None:
    with pytest.raises(InputError, match="257 jobs are too many for GitHub; expected 256"):
        ci.github([Task(str(n), ()) for n in range(257)])
    with pytest.raises(InputError, match="too long a name"):
        ci.gitlab([Task("n" * 256, ())])
