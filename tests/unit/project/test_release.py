# SPDX-License-Identifier: GPL-2.0-only
import pytest

from harness.project.release import order
from harness.project.tree_source import DebianSource, GitSource, Tarball, packaged, tagged


def test_releases_sort_in_order() -> None:
    names = ["v7.2-rc1", "v7.2-rc10", "v7.2", "v7.2.9", "v7.2.13", "v7.3-rc1", "v7.3", "v10.0"]
    keys = [order(name) for name in names]
    assert keys == sorted(keys, key=lambda key: key or (0, 0, 0, 0))
    assert len(set(keys)) == len(names)


def test_tags_and_debian_versions_of_a_release_are_equal() -> None:
    assert order("v7.3-rc7") == order("7.3-rc7") == order("7.3~rc7")
    assert order("7.2") == order("v7.2.0")


@pytest.mark.parametrize("name", ["", "v7", "next-20260101", "v7.2-dirty", "v7.2.1.1", "7.2 "])
def test_other_names_have_no_order(name: str) -> None:
    assert order(name) is None


def test_tagged_returns_another_tag_of_a_source() -> None:
    git = GitSource("~/linux", "v7.2")
    assert tagged(git, "v7.3-rc1") == GitSource("~/linux", "v7.3-rc1")
    debian = DebianSource("7.2", ("sid",))
    assert tagged(debian, "v7.3-rc7") == DebianSource("7.3~rc7", ("sid",))
    assert tagged(Tarball("x", sha256="a" * 64), "v7.2") is None
    with pytest.raises(
        ValueError, match=r"'next' is not the tag of a release; expected one like v7\.2\.12"
    ):
        tagged(debian, "next")
    with pytest.raises(ValueError, match="expected a ref of git"):
        tagged(git, "--upload-pack=x")


def test_a_release_is_searched_in_all_known_suites() -> None:
    known = [
        DebianSource("7.2", ("sid", "forky")),
        GitSource("~/linux", "v7.2"),
        DebianSource("7.3~rc7", ("experimental", "sid")),
    ]
    assert packaged("v7.2.12", known) == DebianSource("7.2.12", ("sid", "forky", "experimental"))
    assert packaged("mine", known) is None
    assert packaged("v7.2.12", known[1:2]) is None
