# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.project.project import Project
from harness.project.tree_source import DebianSource, GitSource, Tarball
from harness.trees import release_of_tree

SUM = "a" * 64


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "configs").mkdir()
    return Project(tmp_path)


def write(project: Project, text: str) -> Project:
    (project.configs / "trees.yaml").write_text(text)
    return project


def test_each_provider_has_its_keys(project: Project) -> None:
    trees = write(
        project,
        'a: {provider: debian-source, version: "7.2", suites: [sid]}\n'
        "b: {provider: git, repository: ~/linux, ref: v7.2-rc1}\n"
        f"c: {{provider: tarball, location: linux.tar.xz, sha256: {SUM}}}\n"
        "d: {provider: tarball, location: l.tar.xz, signature: l.tar.sign, keyring: k.gpg}\n",
    ).trees()
    assert trees == {
        "a": DebianSource(version="7.2", suites=("sid",)),
        "b": GitSource(repository="~/linux", ref="v7.2-rc1"),
        "c": Tarball(location="linux.tar.xz", sha256=SUM),
        "d": Tarball(location="l.tar.xz", signature="l.tar.sign", keyring="k.gpg"),
    }


def test_the_committed_file_loads_and_has_the_default_tree() -> None:
    assert isinstance(Project.find().trees()["v7.2"], DebianSource)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x: {provider: debian-source, version: seven, suites: [sid]}", "expected one like 7.2"),
        ("x: {provider: debian-source, version: '7.2', suites: []}", "suites"),
        ("x: {provider: debian-source, version: '7.2', suites: ['sid main']}", "suites"),
        ("x: {provider: tarball, location: a}", "sha256, or signature"),
        ("x: {provider: tarball, location: a, signature: b}", "expected both"),
        ("x..y: {provider: git, repository: a, ref: b}", "not a valid tree name"),
        ("x.lock/: {provider: git, repository: a, ref: b}", "not a valid tree name"),
    ],
)
def test_a_wrong_entry_names_file_and_key(project: Project, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        write(project, text).trees()
    assert "trees.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "version", "matches"),
    [
        ("7.2", "7.2.13-1", True),
        ("7.2", "7.2.13-1~bpo13+1", True),
        ("7.2", "7.2-1", True),
        ("7.2", "7.2~rc3-1~exp1", False),
        ("7.2", "7.20.1-1", False),
        ("7.2", "7.3.1-1", False),
        ("7.3", "7.3~rc7-1~exp1", False),
        ("7.3~rc7", "7.3~rc7-1~exp1", True),
        ("7.3~rc7", "7.3-1", False),
        ("7.2.12", "7.2.12-2", True),
        ("7.2.12", "7.2.13-1", False),
        ("7.2.1", "7.2.12-1", False),
    ],
)
def test_a_version_matches_only_its_own_releases(wanted: str, version: str, matches: bool) -> None:
    assert DebianSource(version=wanted, suites=("sid",)).matches(version) is matches


def test_the_package_is_named_by_the_minor_version() -> None:
    for version in ("7.2", "7.2.13", "7.2~rc7"):
        assert DebianSource(version=version, suites=("sid",)).package == "linux-source-7.2"


@pytest.mark.parametrize(
    ("repository", "is_url"),
    [
        ("https://example.org/linux.git", True),
        ("git@example.org:linux.git", True),
        ("file:///srv/linux", True),
        ("/srv/linux", False),
        ("~/a:b/linux", False),
        ("../linux", False),
    ],
)
def test_urls_are_distinguished_from_paths(repository: str, is_url: bool) -> None:
    assert GitSource(repository=repository, ref="x").is_url is is_url


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 13\nEXTRAVERSION =\n", "7.2.13"),
        ("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 0\nEXTRAVERSION = -rc7\n", "7.3-rc7"),
        ("VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION =\n", "7.2"),
        ("VERSION = 7\nPATCHLEVEL = 2\n", "7.2"),
        ("VERSION = 7\n", None),
        ("VERSION := 1.2\nall:\n", None),
        ("VERSION = 7\nPATCHLEVEL = 2\nEXTRAVERSION = ..\n", None),
        ("VERSION = 7\nPATCHLEVEL = 2\nEXTRAVERSION = .lock\n", None),
        ("", None),
        ("\x00\x1b[2J", None),
    ],
)
def test_a_makefile_names_its_release(text: str, release: str | None) -> None:
    assert release_of_tree.release(text) == release
