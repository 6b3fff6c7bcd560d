# SPDX-License-Identifier: GPL-2.0-only
"""The base that commands choose, and the line that says why."""

import json
from pathlib import Path

import pytest

from tests.fakes.kernels import Kernels
from tests.fakes.trees import everything, git


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    made = Kernels(tmp_path)
    made.trees()
    return made


def mails(kernels: Kernels, *options: str) -> str:
    file = kernels.linux.parent / "given.mbox"
    text = git(kernels.linux, "format-patch", "--stdout", *options, "v7.2..series")
    file.write_text(f"{text}\n")
    return str(file)


def content(kernels: Kernels) -> dict[str, tuple[int, bytes]]:
    # git sets the time of an object's file where it would write an object that is there.
    return {path: (mode, data) for path, (mode, _, data) in everything(kernels.linux).items()}


def test_mails_are_applied_to_their_base_commit(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {60: "\ttheirs;"})
    given = mails(kernels, "--base=v7.2")
    base = git(kernels.linux, "rev-parse", "v7.2")
    before = content(kernels)
    done = kernels.harness("apply", given, "--repo", str(kernels.linux), "--json")
    assert done.returncode == 0, done.stderr
    assert f"base linux@{base[:12]}: the patches' base-commit\n" in done.stderr
    found = json.loads(done.stdout)
    assert (found["base"], found["tree"]) == (base, f"linux@{base[:12]}")
    assert content(kernels) == before


def test_the_base_may_be_any_revision_of_the_repository(kernels: Kernels) -> None:
    kernels.release("v7.3-rc1", {60: "\ttheirs;"})
    given = mails(kernels, "--base=v7.2")
    for option in ("--base", "--tree"):
        argv = ("apply", given, "--repo", str(kernels.linux), option, "v7.3-rc1", "--json")
        done = kernels.harness(*argv)
        assert done.returncode == 0, done.stderr
        assert f"base linux@v7.3-rc1: v7.3-rc1 of {kernels.linux}\n" in done.stderr
        assert json.loads(done.stdout)["release"] == "7.3-rc1"


def test_without_a_base_the_index_lines_tell(kernels: Kernels) -> None:
    given = mails(kernels)
    done = kernels.harness("apply", given, "--repo", str(kernels.linux))
    assert done.returncode == 0, done.stderr
    said = "base linux@v7.2: the newest release that the patches' index lines fit\n"
    assert said in done.stderr


def test_a_series_with_ports_keeps_its_default(kernels: Kernels) -> None:
    kernels.trees(**{"v7.2": kernels.entry("v7.2")})
    kernels.release("v7.3-rc1", {60: "\ttheirs;"})
    done = kernels.harness("apply", "test", "--repo", str(kernels.linux), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tree"] == "v7.2"
    assert "base " not in done.stderr


def test_an_unknown_base_is_bad_input(kernels: Kernels) -> None:
    for more in ((), ("--repo", str(kernels.linux))):
        done = kernels.harness("apply", "test", "--base", "nonesuch", *more)
        assert done.returncode == 2
        assert "no tree 'nonesuch'; expected one of " in done.stderr
