# SPDX-License-Identifier: GPL-2.0-only
"""What WHAT means, with real git repositories and b4."""

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.series import read
from harness.series.source import Commits, Mails, Port, Posted
from harness.series.what import Given, understand
from tests.fakes.kernels import Kernels
from tests.fakes.trees import git

COVER = "20260101000000.1-1-dev@example.org"


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    """A kernel with the branches `main` and `series`, in a project with the series `test`."""
    made = Kernels(tmp_path)
    file = made.series / "series.yaml"
    file.write_text(file.read_text().replace("base: v7.2}", f"base: v7.2, cover: {COVER}}}"))
    return made


def what(kernels: Kernels, text: str | None, repository: Path | None = None) -> Given:
    return understand(kernels.project, kernels.cache, text, repository)


def commits(given: Given) -> Commits:
    assert isinstance(given.source, Commits)
    return given.source


def test_a_slug_is_the_series_its_version_or_its_port(kernels: Kernels) -> None:
    assert what(kernels, "test") == Given("test")
    assert what(kernels, "series/test").slug == "test"
    assert what(kernels, "test@v1").source == Posted(1)
    assert what(kernels, "test@v7.2").source == Port("v7.2")
    assert what(kernels, str(kernels.series)).source is None


def test_the_message_id_of_a_kept_version_is_that_version(kernels: Kernels) -> None:
    for text in (COVER, f"<{COVER}>", f"https://lore.kernel.org/linux-mm/{COVER}/T/#u"):
        given = what(kernels, text)
        assert (given.slug, given.source) == ("test", Posted(1))


def test_an_mbox_is_named_by_its_first_patch(kernels: Kernels, tmp_path: Path) -> None:
    mbox = tmp_path / "my.mbox"
    patches = sorted((kernels.series / "ports" / "v7.2").iterdir())
    mbox.write_bytes(b"".join(file.read_bytes() for file in patches))
    given = what(kernels, str(mbox))
    assert given.slug == "mm-zone-ours-early"
    assert given.source == Mails(mbox)
    assert given.note == f"the mails in {mbox}: 3 patches, mm/zone: ours, early"


def test_a_branch_is_measured_against_where_it_forked(kernels: Kernels) -> None:
    base, tip = (git(kernels.linux, "rev-parse", name) for name in ("v7.2", "series"))
    for text in ("series", "v7.2..series", "refs/heads/series"):
        given = what(kernels, text, kernels.linux)
        assert commits(given) == Commits(kernels.linux, base, tip, "series")
        assert given.slug == "series"
    mails = read.patches(kernels.project, kernels.cache, "", commits(given))
    assert [patch.subject for patch in mails.patches] == [
        "mm/zone: ours, early",
        "mm/zone: ours, late",
        "mm/memremap: map more",
    ]
    assert mails.base_commit == base


def test_without_what_it_is_the_branch_that_is_checked_out(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(kernels.linux, "checkout", "-q", "series")
    monkeypatch.chdir(kernels.linux / "mm")
    given = what(kernels, None)
    assert given.note == f"branch series of {kernels.linux}: 3 commits on v7.2"
    monkeypatch.chdir(kernels.project.root)
    assert what(kernels, None) == Given("memcpy-streaming")


@pytest.mark.parametrize(
    "text", ["", "nonesuch", "a..b", "-", "--help", "~nobody/x", "a\0b", "v7.2"]
)
def test_a_text_without_meaning_is_refused(kernels: Kernels, text: str) -> None:
    with pytest.raises(InputError):
        what(kernels, text, kernels.linux)
