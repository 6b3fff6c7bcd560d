# SPDX-License-Identifier: GPL-2.0-only
"""Tasks as jobs of a CI system: a matrix for GitHub Actions, a child pipeline for GitLab; pure.

Runners, caches and artifacts belong to the workflow around them: configs/ci/ has examples.
"""

import json
import shlex
from collections.abc import Sequence

import msgspec
import yaml

from harness.errors import InputError

#: docs.github.com, Actions limits: jobs per matrix.
GITHUB_MOST = 256
#: docs.gitlab.com, CI/CD YAML reference: characters in the name of a job.
GITLAB_LONGEST = 255
#: The hidden job of configs/ci/gitlab-job.yml, which every job extends.
TEMPLATE = ".memmap-harness"


class Task(msgspec.Struct, frozen=True):
    """One job: a unique name and the arguments of `./bootstrap`."""

    name: str
    arguments: tuple[str, ...]


def github(tasks: Sequence[Task]) -> str:
    """Return a matrix as one line of JSON for GitHub's fromJSON.

    Each combination has `name` and `arguments`, quoted for a shell. Raises InputError if there are
    more tasks than GitHub accepts.
    """
    if len(tasks) > GITHUB_MOST:
        raise InputError(
            f"{len(tasks)} jobs are too many for GitHub",
            where="--format github",
            expected=f"{GITHUB_MOST} or fewer",
            hint="select fewer with --series and --tree",
        )
    include = [{"name": t.name, "arguments": shlex.join(t.arguments)} for t in tasks]
    return json.dumps({"include": include})


def gitlab(tasks: Sequence[Task]) -> str:
    """Return a child pipeline as YAML. Raises InputError if the name of a task is too long."""
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
