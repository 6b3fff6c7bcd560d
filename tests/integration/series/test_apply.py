# SPDX-License-Identifier: GPL-2.0-only
"""Applying with real git and b4, offline, on a fake kernel tree."""

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest

from harness.errors import DoesNotApply, HarnessError, InputError
from harness.events import Event, Note
from harness.git.git import Git
from harness.host.cache import Cache
from harness.host.processes import process
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.series import apply as stage
from harness.series import on_top, ports
from harness.series.apply import apply
from harness.series.source import Mails, Port
from tests.fakes.trees import edit, git

FAKE = Path(__file__).parents[2] / "fakes" / "linux"
SERIES_YAML = """\
title: a series
function: memmap_init_zone_device
object: mm/mm_init.o
port_of: 1
versions:
  - {version: 1, date: 2026-01-01, patches: 2, base: v7.2}
"""


class Scene:
    """A cache with one tree, a project with one series, and where its patches were made."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source"
        shutil.copytree(FAKE, self.source)
        git(self.source, "init", "-q", "-b", "main")
        git(self.source, "add", "-A")
        git(self.source, "commit", "-qm", "base")
        base = git(self.source, "rev-parse", "HEAD")
        self.cache = Cache(folder / "cache")
        self.cache.root.mkdir()
        git(folder, "clone", "-q", "--bare", str(self.source), str(self.cache.repository))
        self.tree = Tree(name="v7.2", commit=base, release="7.2.99", source="fake")
        self.worktree = folder / "worktree"
        git(self.cache.repository, "worktree", "add", "-q", "--detach", str(self.worktree), base)

        self.project = Project(folder / "project")
        self.ports = self.project.series_folder / "test" / "ports" / "v7.2"
        self.ports.mkdir(parents=True)
        (self.ports.parent.parent / "series.yaml").write_text(SERIES_YAML)
        edit(self.source / "mm/mm_init.c", "refcount = 0", "refcount = 1")
        git(self.source, "commit", "-qam", "mm/mm_init: count from one")
        edit(self.source / "mm/memremap.c", "512", "1024")
        git(self.source, "commit", "-qam", "mm/memremap: map more")
        git(self.source, "format-patch", "-q", "-o", str(self.ports), base)

    def mbox(self, text: bytes) -> Path:
        path = self.project.root / "series.mbox"
        path.write_bytes(text)
        return path

    def patches(self) -> list[bytes]:
        return [p.read_bytes() for p in sorted(self.ports.iterdir())]

    def is_clean(self) -> bool:
        git_ = Git(self.worktree, log=self.cache.log("t"), deadline=process.Deadline(10))
        return (
            git_.commit("HEAD") == self.tree.commit
            and git(self.worktree, "status", "--porcelain") == ""
            and not (self.cache.repository / "worktrees/worktree/rebase-apply").exists()
        )


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(tmp_path)

    @contextmanager
    def checked_out(_cache: Cache, _tree: Tree, commit: str, *_: object) -> Iterator[Path]:
        Git(made.worktree, log=made.cache.log("t"), deadline=process.Deadline(30)).clean_to(commit)
        yield made.worktree

    monkeypatch.setattr(stage, "checked_out", checked_out)
    return made


def test_a_port_becomes_one_commit_per_patch_with_tags(scene: Scene) -> None:
    source = ports.for_tree(scene.project, "test", scene.tree)
    applied = apply(scene.project, scene.cache, "test", scene.tree, source)
    assert [p.subject for p in applied.patches] == [
        "mm/mm_init: count from one",
        "mm/memremap: map more",
    ]
    assert applied.prefix(0) == scene.tree.commit
    assert applied.prefix(2) == applied.tip
    repository = scene.cache.repository
    for name, commit in {"base": applied.base, "1": applied.prefix(1), "tip": applied.tip}.items():
        assert git(repository, "rev-parse", f"refs/tags/{applied.tags}/{name}") == commit
    assert "1024" in git(repository, "show", f"{applied.tip}:mm/memremap.c")
    assert "512" in git(repository, "show", f"{applied.prefix(1)}:mm/memremap.c")
    shown = subprocess.run(
        ["git", "-C", str(repository), "show", applied.tip], capture_output=True, check=True
    )
    own = subprocess.run(
        ["git", "patch-id", "--stable"], input=shown.stdout, capture_output=True, check=True
    )
    assert own.stdout.decode().split()[0] == applied.patches[1].patch_id


def test_a_patch_of_a_port_has_its_files_digest_also_beside_a_cover_letter(scene: Scene) -> None:
    (scene.ports / "0000-cover-letter.patch").write_bytes(
        scene.patches()[0].partition(b"\n---\n")[0].replace(b"[PATCH 1/2]", b"[PATCH 0/2]")
    )
    files = [hashlib.sha256(patch).hexdigest() for patch in scene.patches()[1:]]
    for _ in range(2):  # applied, then found again
        applied = apply(scene.project, scene.cache, "test", scene.tree, Port("v7.2"))
        assert [patch.sha256 for patch in applied.patches] == files
        assert applied.message_id == ""


def test_a_patch_of_an_mbox_has_its_mails_digest_and_the_series_its_message_id(
    scene: Scene,
) -> None:
    mails = [
        patch.replace(b"\nSubject:", b"\nMessage-ID: <%d@example.org>\nSubject:" % n, 1)
        for n, patch in enumerate(scene.patches(), 1)
    ]
    path = scene.mbox(b"".join(mails))
    applied = apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    digests = [hashlib.sha256(mail).hexdigest() for mail in mails]
    assert [patch.sha256 for patch in applied.patches] == digests
    assert applied.message_id == "1@example.org"


def test_the_same_patches_give_the_same_commits_and_at_once(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = apply(scene.project, scene.cache, "test", scene.tree, Port("v7.2"))
    began = time.monotonic()
    assert apply(scene.project, scene.cache, "test", scene.tree, Port("v7.2")) == first
    assert time.monotonic() - began < 1
    shutil.rmtree(scene.cache.applied)
    again = apply(scene.project, scene.cache, "test", scene.tree, Port("v7.2"))
    assert again.tip == first.tip


def test_tags_follow_the_last_series_applied(scene: Scene) -> None:
    series = b"".join(scene.patches())
    path = scene.mbox(series)
    first = apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    scene.mbox(series.replace(b"1024", b"2048"))
    second = apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    assert (second.tags, second.tip == first.tip) == (first.tags, False)
    scene.mbox(series)
    again = apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    assert git(scene.cache.repository, "rev-parse", f"{again.tags}/tip") == again.tip == first.tip


def test_the_users_git_configuration_and_hooks_change_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {home}/hooks\n[commit]\n\tgpgSign = true\n[am]\n\tthreeWay = true\n"
        "[b4]\n\tattestation-policy = hardfail\n"
    )
    (home / "hooks").mkdir()
    hook = home / "hooks" / "applypatch-msg"
    hook.write_text(f"#!/bin/sh\ntouch {home}/ran\nexit 1\n")
    hook.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    path = scene.mbox(b"".join(scene.patches()))
    assert len(apply(scene.project, scene.cache, "test", scene.tree, Mails(path)).patches) == 2
    assert not (home / "ran").exists()
    assert sorted(p.name for p in home.iterdir()) == [".gitconfig", "hooks"]


def test_a_patch_that_does_not_apply_names_patch_file_and_hunk(scene: Scene) -> None:
    one, two = scene.patches()
    path = scene.mbox(one + two.replace(b"memmap_init_zone_device(memmap, 512)", b"other(1, 512)"))
    with pytest.raises(DoesNotApply) as caught:
        apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith(
        "mm/memremap.c:3: patch 2/2 (mm/memremap: map more) does not apply"
    )
    assert "-\tother(1, 512);" in (caught.value.detail or "")
    assert scene.is_clean()
    assert not scene.cache.applied.exists()


def test_a_series_for_another_tree_names_the_file_that_is_not_there(scene: Scene) -> None:
    path = scene.mbox(b"".join(p.replace(b"mm/mm_init.c", b"mm/other.c") for p in scene.patches()))
    with pytest.raises(DoesNotApply, match=r"mm/other\.c.*patch 1/2"):
        apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    assert scene.is_clean()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda patches: patches[1], "lacks patch 1 of 2"),
        (lambda patches: b"hello\n", "holds no patch"),
        (lambda patches: b"", "holds no patch"),
        (lambda patches: b"\x00\xff" * 1000, "holds no patch"),
        (lambda patches: patches[0] + patches[1][:-40], "cut short"),
        (
            lambda patches: patches[0] + patches[1].replace(b"memmap_init", b"memmap\n_init"),
            "wrapped",
        ),
        (lambda patches: patches[0] + patches[1].replace(b"mm/mem", b"../mem"), "outside"),
    ],
)
def test_an_incomplete_or_damaged_series_is_bad_input(
    scene: Scene, spoil: object, message: str
) -> None:
    assert callable(spoil)
    path = scene.mbox(spoil(scene.patches()))
    with pytest.raises(InputError, match=message) as caught:
        apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    assert caught.value.exit_code == 2
    assert "series.mbox" in str(caught.value)
    assert "message-id" in str(caught.value)
    assert scene.is_clean()


def committed(scene: Scene, change: Callable[[Path], object], subject: str) -> bytes:
    """Return the mail of one more commit of the source."""
    change(scene.source)
    git(scene.source, "add", "-A")
    git(scene.source, "commit", "-qm", subject)
    return git(scene.source, "format-patch", "--stdout", "-1").encode() + b"\n\n"


SCRIPT = Path("mm/mm_init.c")
KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "mode": (lambda tree: (tree / SCRIPT).chmod(0o755), "100755 blob"),
    "rename": (lambda tree: (tree / SCRIPT).rename(tree / "mm/new.c"), "mm/new.c"),
    "binary": (lambda tree: (tree / "mm/blob").write_bytes(b"\0\1\2\xff"), "mm/blob"),
    "empty": (lambda tree: (tree / "mm/empty").write_bytes(b""), "mm/empty"),
    "deleted": (lambda tree: (tree / SCRIPT).unlink(), "mm/memremap.c"),
    "form feed": (lambda tree: (tree / "mm/ff.c").write_text("a\n\f\nb\n"), "mm/ff.c"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_change_applies_as_git_applies_it(scene: Scene, kind: str) -> None:
    change, expected = KINDS[kind]
    git(scene.source, "checkout", "-q", scene.tree.commit)
    one = committed(scene, change, "mm: change")
    two = committed(scene, lambda tree: edit(tree / "mm/memremap.c", "512", "9"), "mm: two")
    mails = [one.replace(b"[PATCH]", b"[PATCH 1/2]"), two.replace(b"[PATCH]", b"[PATCH 2/2]")]
    path = scene.mbox(b"".join(mails))
    applied = apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    assert [p.subject for p in applied.patches] == ["mm: change", "mm: two"]
    repository = scene.cache.repository
    listed = git(repository, "ls-tree", "-r", applied.tip)
    assert expected in listed
    assert listed == git(scene.source, "ls-tree", "-r", "HEAD")


@pytest.mark.parametrize(
    "line", ["From 273.52 ms it falls.", "From: me to you", ">From an archive"]
)
def test_any_line_of_a_message_stays_in_the_commit(scene: Scene, line: str) -> None:
    one, two = scene.patches()
    one = one.replace(b"\n---\n", b"\nText.\n\n" + line.encode() + b"\n---\n", 1)
    path = scene.mbox(one + two)
    applied = apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    commit = applied.patches[0].commit
    message = git(scene.cache.repository, "show", "-s", "--format=%B", commit)
    assert line in message.splitlines()


def test_a_link_in_another_part_of_a_mail_is_refused(scene: Scene) -> None:
    link = "diff --git a/mm/l b/mm/l\nnew file mode 120000\nindex 0000000..1111111\n--- /dev/null\n"
    link += "+++ b/mm/l\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n"
    head, _, body = scene.patches()[0].replace(b"[PATCH 1/2]", b"[PATCH]").partition(b"\n\n")
    parts = EmailMessage()
    parts.set_content(body.decode())
    parts.add_attachment(link, subtype="x-patch", disposition="inline")
    path = scene.mbox(head + b"\n" + parts.as_bytes())
    with pytest.raises(InputError, match="makes a link or submodule"):
        apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    assert scene.is_clean()


def test_author_and_subject_in_the_body_are_the_commits(scene: Scene) -> None:
    one, two = scene.patches()
    inside = b"\n\nFrom: B Author <b@example.org>\nSubject: mm/mm_init: other words\n\n"
    path = scene.mbox(one.replace(b"\n\n", inside, 1) + two)
    applied = apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    subjects = [patch.subject for patch in applied.patches]
    assert subjects == ["mm/mm_init: other words", "mm/memremap: map more"]
    show = ("show", "-s", "--format=%an", applied.patches[0].commit)
    assert git(scene.cache.repository, *show) == "B Author"


def test_a_late_fix_in_the_thread_is_named_and_not_applied(scene: Scene) -> None:
    one, two = (
        patch.replace(b"\nSubject:", b"\nMessage-ID: <%d@example.org>\nSubject:" % n, 1)
        for n, patch in enumerate(scene.patches(), 1)
    )
    late = two.replace(b"<2@", b"<3@").replace(b"[PATCH 2/2] ", b"[PATCH] fixup! ")
    late = late.replace(b"\nSubject:", b"\nReferences: <2@example.org>\nSubject:", 1)
    notes: list[Event] = []
    path = scene.mbox(one + two + late)
    applied = apply(scene.project, scene.cache, "test", scene.tree, Mails(path), notes.append)
    assert len(applied.patches) == 2
    named = "left out, a fix that --with-fixes takes: fixup! mm/memremap: map more <3@example.org>"
    assert Note(named) in notes
    wanted = Mails(path, with_fixes=True)
    with pytest.raises(DoesNotApply, match=r"patch 3/3 \(fixup! mm/memremap: map more\)"):
        apply(scene.project, scene.cache, "test", scene.tree, wanted, notes.append)


@pytest.mark.parametrize(("version", "marks"), [(1, "1024"), (2, "2048"), (None, "2048")])
def test_a_version_of_an_mbox_can_be_chosen(scene: Scene, version: int | None, marks: str) -> None:
    first = scene.patches()
    second = [patch.replace(b"[PATCH ", b"[PATCH v2 ").replace(b"1024", b"2048") for patch in first]
    path = scene.mbox(b"".join(first + second))
    applied = apply(scene.project, scene.cache, "test", scene.tree, Mails(path, version))
    assert marks in git(scene.cache.repository, "show", f"{applied.tip}:mm/memremap.c")
    # Builds of untrusted series are kept apart by this name.
    assert applied.source == ("mbox series.mbox" + (f" v{version}" if version else ""))


def test_missing_files_and_ports_are_named(scene: Scene) -> None:
    with pytest.raises(InputError, match="nonesuch"):
        apply(scene.project, scene.cache, "test", scene.tree, Mails(Path("nonesuch")))
    with pytest.raises(InputError, match=r"no port 'v6\.1'; expected one of v7\.2"):
        apply(scene.project, scene.cache, "test", scene.tree, Port("v6.1"))
    other = Tree(name="mine", commit=scene.tree.commit, release="6.12.5", source="fake")
    with pytest.raises(InputError, match=r"no port for mine \(6\.12\.5\)"):
        ports.for_tree(scene.project, "test", other)


def test_a_release_finds_the_port_of_its_major_release(scene: Scene) -> None:
    for name, release in (("v7.2.99", "7.2.99"), ("mine", "7.2.0-rc1"), ("mine", "7.2-rc1")):
        tree = Tree(name=name, commit=scene.tree.commit, release=release, source="fake")
        assert ports.for_tree(scene.project, "test", tree) == Port("v7.2")


def test_a_port_of_the_exact_release_is_preferred(scene: Scene) -> None:
    for name in ("v7.2.5", "mine", "v7.3"):
        (scene.ports.parent / name).mkdir()
    for name, release, port in (
        ("mine", "7.2.5", "v7.2.5"),
        ("mine", "7.2.6", "mine"),
        ("other", "7.2.6", "v7.2"),
    ):
        tree = Tree(name=name, commit=scene.tree.commit, release=release, source="fake")
        assert ports.for_tree(scene.project, "test", tree) == Port(port)
        assert ports.nearest(scene.project, "test", tree) == Port(port)
    newer = Tree(name="other", commit=scene.tree.commit, release="7.4-rc1", source="fake")
    assert ports.nearest(scene.project, "test", newer) == Port("v7.3")


def follow_up(scene: Scene, *edits: tuple[str, str, str]) -> list[Path]:
    """Write one patch on top of the port per edit, and name them in series.yaml."""
    folder = scene.ports.parents[1] / "follow-ups/v7.2"
    folder.mkdir(parents=True)
    for number, (file, old, new) in enumerate(edits, 1):
        edit(scene.source / file, old, new)
        git(scene.source, "commit", "-qam", f"ours: {new}")
        made = git(scene.source, "format-patch", "-q", "-1", "--stdout")
        (folder / f"{number}.patch").write_text(made + "\n")
    files = sorted(folder.iterdir())
    names = ", ".join(file.name for file in files)
    (scene.ports.parents[1] / "series.yaml").write_text(f"{SERIES_YAML}follow_up: [{names}]\n")
    return files


def test_a_follow_up_is_on_top_of_the_series(scene: Scene) -> None:
    files = follow_up(
        scene, ("mm/mm_init.c", "refcount = 1", "refcount = 2"), ("mm/memremap.c", "1024", "64")
    )
    plain = apply(scene.project, scene.cache, "test", scene.tree, Port("v7.2"))
    made = on_top.with_follow_up(scene.project, scene.cache, scene.tree, plain)
    assert plain.last == plain.tip == made.tip != made.last
    assert [patch.subject for patch in made.follow_up] == ["ours: refcount = 2", "ours: 64"]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert [patch.sha256 for patch in made.follow_up] == digests
    assert git(scene.cache.repository, "rev-parse", f"{made.last}~2") == made.tip
    assert "64" in git(scene.cache.repository, "show", f"{made.last}:mm/memremap.c")
    again = on_top.with_follow_up(scene.project, scene.cache, scene.tree, plain)
    assert again == made
    assert git(scene.worktree, "status", "--porcelain") == ""


def test_a_follow_up_that_does_not_fit_names_its_file_and_leaves_a_clean_tree(
    scene: Scene,
) -> None:
    first, _ = follow_up(
        scene, ("mm/mm_init.c", "refcount = 1", "refcount = 2"), ("mm/memremap.c", "1024", "64")
    )
    plain = apply(scene.project, scene.cache, "test", scene.tree, Port("v7.2"))
    first.write_text(first.read_text().replace("refcount = 1", "refcount = 9"))
    with pytest.raises(DoesNotApply, match=r"1\.patch does not apply on top of port v7\.2"):
        on_top.with_follow_up(scene.project, scene.cache, scene.tree, plain)
    first.unlink()
    with pytest.raises(InputError, match=r"1\.patch: missing"):
        on_top.with_follow_up(scene.project, scene.cache, scene.tree, plain)
    assert git(scene.worktree, "status", "--porcelain") == ""
    assert git(scene.worktree, "rev-parse", "HEAD") == plain.tip


def test_an_interrupted_apply_leaves_a_clean_tree(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: object, **_more: object) -> None:
        (scene.worktree / "half").write_text("x")
        raise KeyboardInterrupt

    monkeypatch.setattr(Git, "am", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply(scene.project, scene.cache, "test", scene.tree, Port("v7.2"))
    assert scene.is_clean()


def test_a_subject_with_terminal_escapes_is_never_shown_raw(scene: Scene) -> None:
    from harness.cli import printable

    one, two = scene.patches()
    spoiled = two.replace(b"512", b"513").replace(b"map more", b"map \x1b[2J more")
    with pytest.raises(HarnessError) as caught:
        apply(scene.project, scene.cache, "test", scene.tree, Mails(scene.mbox(one + spoiled)))
    assert "\x1b" not in printable(str(caught.value))


def test_a_patch_whose_tabs_became_spaces_is_bad_input(scene: Scene) -> None:
    one, two = scene.patches()
    spaced = two.replace(b"\nSubject:", b"\nMessage-ID: <2@example.org>\nSubject:").expandtabs()
    path = scene.mbox(one + spaced)
    with pytest.raises(InputError) as caught:
        apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    assert str(caught.value) == (
        "mm/memremap.c:3: patch 2/2 (mm/memremap: map more) does not apply: its tabs became spaces."
        " Fetch the raw mail by its message-id: `b4 am 2@example.org`"
    )
    assert scene.is_clean()


def test_spaces_alone_are_not_blamed_for_a_patch_to_a_script(scene: Scene) -> None:
    spaced = b"".join(scene.patches()).expandtabs().replace(b"mm/mm_init.c", b"tools/mm.py")
    with pytest.raises(DoesNotApply, match=r"tools/mm\.py"):
        apply(scene.project, scene.cache, "test", scene.tree, Mails(scene.mbox(spaced)))


def test_a_series_indented_with_spaces_applies_where_the_file_is(scene: Scene) -> None:
    git(scene.source, "checkout", "-q", scene.tree.commit)
    file = scene.source / "mm/memremap.c"
    file.write_text(file.read_text().expandtabs())
    git(scene.source, "commit", "-qam", "mm/memremap: indent with spaces")
    base = git(scene.source, "rev-parse", "HEAD")
    edit(file, "512", "1024")
    git(scene.source, "commit", "-qam", "mm/memremap: map more")
    patch = git(scene.source, "format-patch", "--stdout", base).encode()
    git(scene.cache.repository, "fetch", "-q", str(scene.source), base)
    tree = msgspec.structs.replace(scene.tree, commit=base)
    applied = apply(scene.project, scene.cache, "test", tree, Mails(scene.mbox(patch)))
    assert [p.subject for p in applied.patches] == ["mm/memremap: map more"]


def test_an_archives_page_names_the_damaged_line_and_what_to_fetch(scene: Scene) -> None:
    yaml = scene.project.series_file("test")
    yaml.write_text(SERIES_YAML.replace("v7.2}", "v7.2, cover: one@example.org}"))
    page = (Path(__file__).parents[2] / "data" / "mail" / "archive-page.txt").read_bytes()
    path = scene.mbox(page)
    line = page.splitlines().index(b"page *page)") + 1
    for version, fetch in (
        (None, "`b4 am MESSAGE-ID` (v1 is one@example.org)"),
        (1, "`b4 am one@example.org`"),
    ):
        with pytest.raises(InputError) as caught:
            apply(scene.project, scene.cache, "test", scene.tree, Mails(path, version))
        assert caught.value.exit_code == 2
        assert str(caught.value) == (
            f"{path}:{line}: the patch's lines were wrapped or damaged; expected a whole series as "
            f"an mbox. Fetch the raw mail by its message-id: {fetch}"
        )


@pytest.mark.parametrize(
    ("message_id", "named"),
    [
        (b"<2@example.org>", "b4 am 2@example.org`"),
        (b"<a$b@example.org>", "b4 am 'a$b@example.org'`"),
        (b"<;reboot;@>", "b4 am MESSAGE-ID`"),
    ],
)
def test_a_wrapped_mail_is_fetched_by_its_own_message_id(
    scene: Scene, message_id: bytes, named: str
) -> None:
    one, two = scene.patches()
    two = two.replace(b"\nSubject:", b"\nMessage-ID: " + message_id + b"\nSubject:")
    path = scene.mbox(one + two.replace(b"memmap_init", b"memmap\n_init"))
    with pytest.raises(InputError, match="wrapped") as caught:
        apply(scene.project, scene.cache, "test", scene.tree, Mails(path))
    assert named in str(caught.value)
