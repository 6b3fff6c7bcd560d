# SPDX-License-Identifier: GPL-2.0-only
"""Tasks as the jobs of a CI system: a matrix for GitHub Actions, a child pipeline for GitLab.

What is around them (runners, caches, artifacts) is the workflow's: configs/ci/ has examples.
"""

import json
import shlex
from collections.abc import Sequence

import msgspec
import yaml

from harness.errors import InputError

#: docs.github.com, Actions limits: jobs that one matrix may make in a run.
GITHUB_MOST = 256
#: docs.gitlab.com, CI/CD YAML reference: the longest name of a job.
GITLAB_LONGEST = 255
#: The hidden job of configs/ci/gitlab-job.yml, which every job here extends.
TEMPLATE = ".memmap-harness"


class Task(msgspec.Struct, frozen=True):
    """One job: a name that no other has, and what follows `./bootstrap`."""

    name: str
    arguments: tuple[str, ...]


def github(tasks: Sequence[Task]) -> str:
    """Return a matrix in one line of JSON, for GitHub's fromJSON.

    Each combination has `name` and `arguments`, quoted for a shell. Raises InputError for more
    tasks than GitHub takes.
    """
    if len(tasks) > GITHUB_MOST:
        raise InputError(
            f"{len(tasks)} jobs are too many for GitHub",
            where="--format github",
            expected=f"{GITHUB_MOST} or fewer",
            hint="choose some with --series and --tree",
        )
    include = [{"name": t.name, "arguments": shlex.join(t.arguments)} for t in tasks]
    return json.dumps({"include": include})


def gitlab(tasks: Sequence[Task]) -> str:
    """Return a child pipeline in YAML. Raises InputError for a name that is too long."""
    for task in tasks:
        if len(task.name) > GITLAB_LONGEST:
            raise InputError(
                f"{task.name[:40]}… is too long a name for a job",
                where="--format gitlab",
                expected=f"{GITLAB_LONGEST} characters or fewer",
            )
    jobs = {
        task.name: {"extends": TEMPLATE, "script": [f"./bootstrap {shlex.join(task.arguments)}"]}
        for task in tasks
    }
    return yaml.safe_dump(jobs, sort_keys=False, width=1000)
