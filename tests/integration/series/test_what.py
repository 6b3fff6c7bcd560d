# SPDX-License-Identifier: GPL-2.0-only
"""What WHAT means, with real git repositories and b4."""

import contextlib
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_
from hypothesis import strategies as st

from harness.errors import HarnessError, InputError
from harness.events import silent
from harness.host.cache import Cache
from harness.project.project import Project
from harness.record.applied import Applied
from harness.series import b4_prep, read, versions
from harness.series.apply import on_tree
from harness.series.mails.messages import Tag, read_mails
from harness.series.source import Commits, MailChoice, Mails, Port, Posted
from harness.series.what import Given, _Reader, slug_of, understand
from tests.fakes.kernels import Kernels
from tests.fakes.trees import everything, git

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

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


def applied(kernels: Kernels, given: Given) -> Applied:
    """Apply commits to their own base, as a command does."""
    source = commits(given)
    tree = f"{source.repository}@{source.base}"
    found = on_tree(kernels.project, kernels.cache, given.slug, tree, source)
    return found[1]


def test_a_branch_on_its_own_base_keeps_its_commits(kernels: Kernels) -> None:
    made = applied(kernels, what(kernels, "series", kernels.linux))
    listed = git(kernels.linux, "rev-list", "--reverse", "v7.2..series").split()
    assert [patch.commit for patch in made.patches] == listed
    for patch in made.patches:
        shown = git(kernels.linux, "diff-tree", "-p", patch.commit)
        ids = git(kernels.linux, "patch-id", "--stable", stdin=f"{shown}\n")
        assert patch.patch_id == ids.split()[0]


def test_a_repository_is_only_read(kernels: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    git(kernels.linux, "checkout", "-q", "series")
    # An index that git would refresh.
    os.utime(kernels.linux / "mm/zone.c", (1, 1))
    monkeypatch.chdir(kernels.linux)
    before = everything(kernels.linux)
    for text in (None, "v7.2..series", "main..", "nonesuch"):
        with contextlib.suppress(InputError):
            applied(kernels, what(kernels, text))
    assert everything(kernels.linux) == before


def test_uncommitted_changes_are_named(kernels: Kernels) -> None:
    git(kernels.linux, "checkout", "-q", "series")
    (kernels.linux / "mm/zone.c").write_text("changed\n")
    end = "; uncommitted changes are not measured"
    assert what(kernels, None, kernels.linux).note.endswith(end)
    # What is not checked out is not concerned.
    assert not what(kernels, "series", kernels.linux).note.endswith(end)


def test_a_detached_head_is_named_by_its_patch(kernels: Kernels) -> None:
    git(kernels.linux, "checkout", "-q", "--detach", "series~2")
    given = what(kernels, None, kernels.linux)
    assert given.slug == "mm-zone-ours-early"
    assert given.note.startswith("detached HEAD (")


def test_an_upstream_is_where_a_branch_forked(kernels: Kernels) -> None:
    git(kernels.linux, "branch", "-q", "review", "series~1")
    git(kernels.linux, "branch", "-q", "--set-upstream-to=review", "series")
    given = what(kernels, "series", kernels.linux)
    assert commits(given).base == git(kernels.linux, "rev-parse", "review")
    assert "1 commit on " in given.note
    assert "where it forked from review" in given.note


@pytest.mark.parametrize("make", ["tag", "file", "maildir"])
def test_two_meanings_are_both_named(
    kernels: Kernels, make: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if make == "tag":
        git(kernels.linux, "tag", "series", "main")
        forces = ("refs/heads/series", "refs/tags/series")
    else:
        forces = ("./series", "refs/heads/series")
        if make == "file":
            Path("series").write_text("")
        else:
            for part in ("cur", "new"):
                Path("series", part).mkdir(parents=True)
            Path("series/new/1").write_text("From: x\n\n")
    with pytest.raises(InputError, match="has 2 meanings") as raised:
        what(kernels, "series", kernels.linux)
    assert all(f"`{force}`" in (raised.value.expected or "") for force in forces)
    assert what(kernels, "refs/heads/series", kernels.linux).slug == "series"


def test_a_branch_named_like_a_series_does_not_claim_what_that_does(kernels: Kernels) -> None:
    git(kernels.linux, "branch", "-q", "test", "series")
    with pytest.raises(InputError, match=r"a series \(test\) and a revision"):
        what(kernels, "test", kernels.linux)
    assert what(kernels, "refs/heads/test", kernels.linux).slug == "test-branch"
    assert what(kernels, "series/test", kernels.linux).slug == "test"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("main...series", "names the commits of two branches"),
        ("series..v7.2", "has no commits"),
        ("v7.2..merge", "has a merge"),
        ("main", "has no commits beside mainline and releases"),
        ("nonesuch..series", "nor a revision"),
    ],
)
def test_ranges_that_are_no_series_are_refused(kernels: Kernels, text: str, message: str) -> None:
    git(kernels.linux, "checkout", "-q", "-b", "merge", "series")
    git(kernels.linux, "commit", "-q", "--allow-empty", "-m", "more")
    git(kernels.linux, "merge", "-q", "--no-ff", "-m", "merge", "series~1", "-s", "ours")
    git(kernels.linux, "checkout", "-q", "-b", "side", "v7.2")
    git(kernels.linux, "commit", "-q", "--allow-empty", "-m", "side")
    git(kernels.linux, "checkout", "-q", "merge")
    git(kernels.linux, "merge", "-q", "--no-ff", "-m", "merge", "side")
    with pytest.raises(InputError, match=re.escape(message)):
        what(kernels, text, kernels.linux)


COVER_TEXT = """\
mm: make it fast

# A comment of the author.
The average rebind of nd_pmem falls from 250.50 ms to 100.20 ms.

>## Notes
"""
TRACKING = {"series": {"revision": 3, "change-id": "x", "base-branch": "main", "prefixes": []}}


def prepare(kernels: Kernels, strategy: str) -> None:
    """Make a branch `b4/fast` of three patches as `b4 prep` does, with each of its strategies."""
    place = kernels.linux
    magic = f"{COVER_TEXT}\n{b4_prep.MARKER}\n# For b4.\n{json.dumps(TRACKING, indent=2)}"
    cover = ("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", magic)
    git(place, "checkout", "-q", "-b", "b4/fast", "v7.2")
    if strategy == "commit":
        git(place, *cover)
    git(place, "cherry-pick", "v7.2..series")
    if strategy == "tip-commit":
        git(place, *cover)
    if strategy == "branch-description":
        git(place, "config", "branch.b4/fast.description", COVER_TEXT)
        git(place, "config", "branch.b4/fast.b4-tracking", json.dumps(TRACKING))


@pytest.mark.parametrize("strategy", ["commit", "tip-commit", "branch-description"])
def test_a_branch_of_b4_prep_brings_its_cover_and_its_base(kernels: Kernels, strategy: str) -> None:
    prepare(kernels, strategy)
    given = what(kernels, None, kernels.linux)
    assert given.slug == "fast"
    found = read.patches(kernels.project, kernels.cache, "fast", commits(given))
    assert [(patch.version, patch.number) for patch in found.patches] == [(3, 1), (3, 2), (3, 3)]
    (cover,) = read_mails(found.cover)
    assert (cover.title, cover.tag) == ("mm: make it fast", Tag(3, 0, 3))
    assert "falls from 250.50 ms to 100.20 ms" in cover.text
    assert "A comment" not in cover.text
    assert "\n## Notes" in cover.text
    made = applied(kernels, given)
    assert made.patches[0].subject == "mm/zone: ours, early"
    assert made.base == git(kernels.linux, "rev-parse", "v7.2")


@pytest.mark.parametrize("tracking", ["{", "[]", '{"series": 3}', '{"series": {"revision": "x"}}'])
def test_a_damaged_tracking_of_b4_is_not_fatal(kernels: Kernels, tracking: str) -> None:
    git(kernels.linux, "config", "branch.series.description", "a title\n\ntext")
    git(kernels.linux, "config", "branch.series.b4-tracking", tracking)
    found = read.patches(
        kernels.project, kernels.cache, "", commits(what(kernels, "series", kernels.linux))
    )
    assert len(found.patches) == 3


def test_the_settings_of_a_repository_do_not_change_its_patches(
    kernels: Kernels, tmp_path: Path
) -> None:
    plain = read.patches(
        kernels.project, kernels.cache, "", commits(what(kernels, "series", kernels.linux))
    )
    own = {
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "diff.context": "0",
        "diff.external": "/bin/false",
        "format.attach": "true",
        "format.coverLetter": "true",
        "format.subjectPrefix": "RFC",
        "format.suffix": ".txt",
        "format.outputDirectory": str(kernels.linux / "out"),
        "format.signature": "me",
        "format.headers": "X-Mine: 1\n",
        "format.noprefix": "true",
    }
    for key, value in own.items():
        git(kernels.linux, "config", key, value)
    # Another cache: a process reads the same commits once.
    kernels.cache = Cache(tmp_path / "other")
    again = read.patches(
        kernels.project, kernels.cache, "", commits(what(kernels, "series", kernels.linux))
    )
    assert [patch.raw for patch in again.patches] == [patch.raw for patch in plain.patches]
    assert not (kernels.linux / "out").exists()


_WORDS = "test series v7.2 .. @ v1 / refs/heads/ < > ~ ^ : a@b.c https:// x.mbox - { } é %00 . [::"
WORDS = (*_WORDS.split(), " ", "\n", "\x00")
TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(WORDS),
        max_size=6,
    ).map("".join),
)


@given_(TEXTS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_has_one_meaning_or_an_error(kernels: Kernels, text: str) -> None:
    try:
        found = what(kernels, text, kernels.linux)
    except HarnessError as error:
        assert error.exit_code in (2, 69)
        return
    assert SLUG.fullmatch(found.slug)
    again = what(kernels, text, kernels.linux)
    assert again == found


@given_(st.text(max_size=200))
def test_a_slug_is_a_name_of_a_folder(title: str) -> None:
    project = Project.find()
    made = slug_of(project, title)
    assert SLUG.fullmatch(made)
    assert made not in project.slugs()
    assert made not in ("matrix", "index")
    assert len(made) <= 60


def test_versions_takes_branches_and_mails(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kernels.linux)
    for text in ("series", "v7.2..series"):
        found = versions.named(kernels.project, kernels.cache, "test", text)
        assert isinstance(found, Commits)
    for text, message in (("test", "is another series"), ("nonesuch", "no version 'nonesuch'")):
        with pytest.raises(InputError, match=message):
            versions.named(kernels.project, kernels.cache, "test", text)


@pytest.mark.parametrize(
    ("text", "is_message"),
    [
        ("x.mbox@v3", False),
        ("x@7", False),
        ("test@v9.1", False),
        ("1@163.com", True),
        ("1@v.x", True),
    ],
)
def test_a_version_is_no_host(kernels: Kernels, text: str, is_message: bool) -> None:
    reader = _Reader(kernels.project, kernels.cache, None, silent, MailChoice())
    assert [one.force for one in reader.meanings(text)] == ([f"<{text}>"] if is_message else [])
