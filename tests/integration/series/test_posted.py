# SPDX-License-Identifier: GPL-2.0-only
"""Series taken from a real public-inbox: by message-id, link, or version in series.yaml."""

import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import InputError, MachineError
from harness.events import Event, Note
from harness.series import apply, read
from harness.series.mails import archive as stage
from harness.series.source import MailChoice, Message, Posted
from harness.series.what import understand
from tests.fakes.kernels import Kernels
from tests.fakes.mail_archive import FIX, V1, V2, MailArchive, Posting, answering, content, mbox
from tests.fakes.trees import git

pytestmark = pytest.mark.usefixtures("home")

YAML = """\
title: a series
function: memmap_init_zone_device
object: mm/mm_init.o
port_of: 2
versions:
  - {{version: 1, date: 2026-01-01, patches: 2, base: v7.2}}
  - {{version: 2, date: 2026-06-01, patches: {patches}, base: v7.2, cover: {cover}}}
"""


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    made = Kernels(tmp_path)
    (made.series / "series.yaml").write_text(YAML.format(patches=2, cover=V2))
    return made


def patches(
    kernels: Kernels, source: Posted | Message, listen: Callable[[Event], None] = lambda _: None
) -> read.SourceMails:
    return read.patches(kernels.project, kernels.cache, "test", source, listen)


def ids(found: read.SourceMails) -> list[str]:
    return [patch.message_id for patch in found.patches]


V1_PATCHES = ["v1-1@example.org", "v1-2@example.org"]
V2_PATCHES = ["v2-1@example.org", "v2-2@example.org"]


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        (V2, None, V2_PATCHES),
        ("v2-2@example.org", None, V2_PATCHES),
        ("r3@example.org", None, V2_PATCHES),
        (V1, None, V1_PATCHES),
        ("r1@example.org", None, V1_PATCHES),
        (V1, 2, V2_PATCHES),
        (V2, 1, V1_PATCHES),
    ],
)
def test_a_message_stands_for_the_version_it_belongs_to(
    kernels: Kernels, archive: MailArchive, name: str, version: int | None, expected: list[str]
) -> None:
    found = patches(kernels, Message(name, version, archive.url))
    assert ids(found) == expected
    assert found.message_id == name


def test_what_is_left_out_of_a_thread_is_named(kernels: Kernels, archive: MailArchive) -> None:
    notes: list[Event] = []
    found = patches(kernels, Message(V2, archive=archive.url), notes.append)
    assert [note.text for note in notes if isinstance(note, Note)] == [
        f"left out, a fix that --with-fixes takes: mm-memremap-map-more-fix <{FIX}>",
        "left out: mm/mm_init: count from one <v1-1@example.org>",
        "left out: mm/memremap: map more <v1-2@example.org>",
    ]
    assert found.attestation == ("none", "no key: ed25519/dev@example.org")
    assert b"It was slow." in found.cover


def test_a_fix_can_be_put_on_top_and_applies(kernels: Kernels, archive: MailArchive) -> None:
    notes: list[Event] = []
    source = Message(V2, archive=archive.url, with_fixes=True)
    where = (kernels.project, kernels.cache, "test", "mine")
    _, applied = apply.on_tree(*where, source, notes.append)
    assert [patch.subject for patch in applied.patches] == [
        "mm/mm_init: count from one",
        "mm/memremap: map more",
        "mm-memremap-map-more-fix",
    ]
    assert Note(f"put on top: mm-memremap-map-more-fix <{FIX}>") in notes
    show = git(kernels.cache.repository, "show", f"{applied.tip}:mm/memremap.c")
    assert "2048" in show
    assert applied.source == f"mail {V2} with 1 fix"
    assert applied.attestation == ("none", "no key: ed25519/dev@example.org", "none")
    _, plain = apply.on_tree(*where, Message(V2, archive=archive.url))
    assert plain.tip == applied.patches[1].commit


def test_a_posted_version_comes_from_the_users_archive(
    kernels: Kernels, archive: MailArchive, home: Path
) -> None:
    (home / ".gitconfig").write_text(f"[b4]\nmidmask = {archive.url}/%s\n")
    found = patches(kernels, Posted(2))
    assert (ids(found), found.label, found.message_id) == (V2_PATCHES, "v2", V2)


def test_a_posted_version_has_the_patches_that_the_file_says(
    kernels: Kernels, archive: MailArchive
) -> None:
    (kernels.series / "series.yaml").write_text(YAML.format(patches=3, cover=V2))
    with pytest.raises(InputError, match=r"v2 has 2 patches; expected 3 \(series/test/series.yaml"):
        patches(kernels, Posted(2, archive.url))


@pytest.mark.parametrize(("version", "message"), [(3, "no version 3"), (1, "message-id of v1")])
def test_an_unknown_version_is_refused_before_a_tree_is_fetched(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch, version: int, message: str
) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(apply, "fetch", lambda *_: fetched.append("tree"))
    with pytest.raises(InputError, match=message):
        apply.on_tree(kernels.project, kernels.cache, "test", "mine", Posted(version))
    assert not fetched


def test_replies_to_a_posted_version_are_read_as_well(
    kernels: Kernels, archive: MailArchive
) -> None:
    source = Posted(2, archive.url)
    patches(kernels, source)
    mails = read.all_mails(kernels.project, kernels.cache, "test", source)
    assert "r2@example.org" in [mail.message_id for mail in mails]


DIFF = "Text.\n---\n--- a/mm/x.c\n+++ b/mm/x.c\n@@ -1 +1 @@\n-a\n+{}\n"


def posting(number: int, name: str, subject: str, *answers: str) -> Posting:
    return Posting(f"{name}@example.org", subject, DIFF.format(number), answers)


def test_a_thread_that_was_incomplete_is_fetched_again(kernels: Kernels) -> None:
    first = posting(1, "one", "[PATCH 1/2] mm: one")
    second = posting(2, "two", "[PATCH 2/2] mm: two", "one@example.org")
    answers = [content(mbox(first)), content(mbox(first, second))]
    with answering(lambda request: answers[0](request)) as url:
        source = Message("one@example.org", archive=url)
        with pytest.raises(InputError, match="lacks patch 2 of 2") as caught:
            patches(kernels, source)
        assert f"{url}/one@example.org/T/" in str(caught.value)
        answers.pop(0)
        assert ids(patches(kernels, source)) == ["one@example.org", "two@example.org"]


def test_the_first_error_stays_if_the_archive_is_gone(kernels: Kernels) -> None:
    with answering(content(mbox(posting(1, "one", "[PATCH 1/2] mm: one")))) as url:
        source = Message("one@example.org", archive=url)
        with pytest.raises(InputError, match="lacks patch 2 of 2"):
            patches(kernels, source)
    with pytest.raises(InputError, match="lacks patch 2 of 2"):
        patches(kernels, source)
    with pytest.raises(MachineError, match="cannot be reached"):
        patches(kernels, Message("two@example.org", archive=url))


def test_a_patch_of_another_series_in_the_thread_is_not_taken_for_the_one_asked(
    kernels: Kernels,
) -> None:
    thread = mbox(
        posting(1, "one", "[PATCH v2 1/2] mm: one"),
        posting(2, "two", "[PATCH v2 2/2] mm: two", "one@example.org"),
        posting(3, "fix", "[PATCH v2] mm: fix", "one@example.org"),
    )
    with answering(content(thread)) as url:
        with pytest.raises(InputError, match="holds another series than that of: mm: fix"):
            patches(kernels, Message("fix@example.org", archive=url))
        fixed = Message("fix@example.org", archive=url, with_fixes=True)
        assert len(patches(kernels, fixed).patches) == 3


def test_a_repositorys_archive_counts_for_what(
    kernels: Kernels, archive: MailArchive, tmp_path: Path
) -> None:
    git(kernels.linux, "config", "b4.midmask", f"{archive.url}/%s")
    given = understand(kernels.project, kernels.cache, V1, kernels.linux)
    assert given.source == Message(V1, archive=archive.url)
    assert given.note == f"the thread of <{V1}>: 2 patches, mm: faster memmap"
    other = "http://127.0.0.1:9/none"
    choice = MailChoice(archive=other)
    with pytest.raises(MachineError, match=f"{other}: cannot be reached"):
        understand(kernels.project, kernels.cache, "x@example.org", kernels.linux, choice=choice)


QUOTED = urllib.parse.quote(V1, safe="@")


@pytest.mark.parametrize("end", ["", "/", "/T/#u", "/t.mbox.gz", "/raw", f"/#m{'0' * 40}"])
def test_a_link_names_archive_and_message(kernels: Kernels, archive: MailArchive, end: str) -> None:
    given = understand(kernels.project, kernels.cache, f"{archive.url}/{QUOTED}{end}")
    assert given.source == Message(V1, archive=archive.url)


def test_a_user_fetches_and_applies_by_link_id_and_version(
    kernels: Kernels, archive: MailArchive, home: Path
) -> None:
    done = kernels.harness("series", "fetch", "test@v2", "--archive", archive.url, "--json")
    assert done.returncode == 0, done.stderr
    fetched = json.loads(done.stdout)
    assert fetched["patches"] == V2_PATCHES
    assert Path(fetched["mbox"]) == stage.place(kernels.cache, V2)
    assert f"takes: mm-memremap-map-more-fix <{FIX}>" in done.stderr
    done = kernels.harness("series", "fetch", f"<{V1}>", "--archive", archive.url)
    assert (done.returncode, done.stdout) == (0, f"{stage.place(kernels.cache, V1)}\n")
    done = kernels.harness("series", "fetch", f"{archive.url}/{QUOTED}/raw")
    assert done.returncode == 0, done.stderr
    done = kernels.harness("apply", f"{archive.url}/{QUOTED}/", "--base", "mine")
    assert done.returncode == 0, done.stderr
    assert "mm/memremap: map more" in done.stdout
    (home / ".gitconfig").write_text(f"[b4]\nmidmask = {archive.url}/%s\n")
    done = kernels.harness("apply", V2, "--base", "mine", "--with-fixes")
    assert done.returncode == 0, done.stderr
    assert "mm-memremap-map-more-fix" in done.stdout


def test_the_claims_of_a_posted_series_are_audited_and_imported(
    kernels: Kernels, archive: MailArchive, home: Path
) -> None:
    (home / ".gitconfig").write_text(f"[b4]\nmidmask = {archive.url}/%s\n")
    for what in (V2, "v2-1@example.org", f"{archive.url}/{V2}/T/", "test@v2"):
        done = kernels.harness("audit", what, "--json")
        assert done.returncode == 0, done.stderr
        claims = [one["claim"] for one in json.loads(done.stdout)["claims"]]
        assert [(claim["version"], claim["metric"]) for claim in claims] == [(2, "nd_pmem")]
    done = kernels.harness("series", "import", V2, "--slug", "test", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "250.50          -, 100.20" in done.stdout
    done = kernels.harness("series", "import", "no@example.org", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no mail <no@example.org>" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("apply", "no@example.org"), 2, "has no mail <no@example.org>"),
        (("series", "fetch", "no@example.org"), 2, "has no mail <no@example.org>"),
        (("series", "fetch", "test"), 2, "test: is not a posted version; expected test@vN"),
        (("series", "fetch", "nothing"), 2, "nothing: is not a series, a file, a message-id"),
        (("series", "fetch", "test@v1"), 2, "the message-id of v1 is not known"),
        (("apply", "test", "--base", "mine", "--with-fixes"), 2, "--with-fixes: is for mails"),
    ],
)
def test_what_cannot_be_fetched_is_named_in_one_line(
    kernels: Kernels,
    archive: MailArchive,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    done = kernels.harness(*arguments, "--archive", archive.url)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_invalid_archive_is_refused_in_one_line(kernels: Kernels) -> None:
    done = kernels.harness("apply", V2, "--archive", "ftp://example.org/%s")
    assert done.returncode == 2
    assert "--archive: 'ftp://example.org/%s' is not the URL of a mail archive" in done.stderr
