# SPDX-License-Identifier: GPL-2.0-only
"""Threads fetched by real b4 from a real public-inbox, and from archives that fail."""

import gzip
import http.server
import subprocess
import time
from pathlib import Path

import pytest

from harness.doctor import prune
from harness.errors import HarnessError, InputError, MachineError
from harness.host.cache import Cache
from harness.series.mails import archive as stage
from harness.series.mails.messages import read_mails
from harness.series.mails.select import select
from tests.fakes.mail_archive import (
    FIX,
    V1,
    V2,
    Answer,
    MailArchive,
    Posting,
    answering,
    content,
    mbox,
    status,
)

pytestmark = pytest.mark.usefixtures("home")
THREAD = mbox(
    Posting("one@example.org", "[PATCH] mm: one", "Text.\n"),
    *(Posting(f"{n}@example.org", "Re: [PATCH] mm: one", f"{n}\n" * 99) for n in range(99)),
)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    made = Cache(tmp_path / "cache")
    made.root.mkdir()
    return made


def configure(folder: Path, **settings: str) -> None:
    """Write settings of b4 into a user's or repository's configuration."""
    for name, value in settings.items():
        key = f"b4.{name.replace('_', '-')}"
        subprocess.run(["git", "config", "--file", str(folder), key, value], check=True)


@pytest.mark.parametrize("name", [V1, V2, "v2-2@example.org", "r2@example.org"])
def test_a_message_id_brings_the_whole_thread(
    cache: Cache, archive: MailArchive, name: str
) -> None:
    thread = stage.fetch(cache, name, archive.url)
    mails = read_mails(thread.path.read_bytes())
    assert len(mails) == 10
    assert {V1, V2, FIX, name} <= {mail.message_id for mail in mails}
    assert (thread.note.message_id, thread.note.archive) == (name, archive.url)


def test_a_late_fix_is_found_in_a_fetched_thread(cache: Cache, archive: MailArchive) -> None:
    thread = stage.fetch(cache, V2, archive.url)
    found = select(cache, thread.path.read_bytes())
    assert [p.message_id for p in found.patches] == ["v2-1@example.org", "v2-2@example.org"]
    assert [mail.message_id for mail in found.fixes] == [FIX]
    assert [mail.message_id for mail in found.left_out] == ["v1-1@example.org", "v1-2@example.org"]
    assert found.cover is not None
    assert found.cover.message_id == V2


def test_a_line_that_begins_with_from_comes_back_as_it_was_sent(
    cache: Cache, archive: MailArchive
) -> None:
    thread = stage.fetch(cache, V2, archive.url)
    patch = select(cache, thread.path.read_bytes()).patches[0]
    assert read_mails(patch.raw)[0].text.startswith("From now on it counts.\n")


def test_signatures_are_recorded_per_patch_once(
    cache: Cache, archive: MailArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = stage.fetch(cache, V2, archive.url)
    patches = select(cache, thread.path.read_bytes()).patches
    found = stage.attested(cache, thread, patches)
    assert found == ("none", "no key: ed25519/dev@example.org")
    monkeypatch.setattr(stage.b4, "attest", None)
    again = stage.fetch(cache, V2, archive.url)
    assert not again.is_new
    assert stage.attested(cache, again, patches) == found


def test_signatures_that_b4_cannot_check_are_not_checked_and_no_error(
    cache: Cache, archive: MailArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = stage.fetch(cache, V2, archive.url)
    patches = select(cache, thread.path.read_bytes()).patches
    monkeypatch.setattr(stage, "ATTEST_S", 0)
    assert stage.attested(cache, thread, patches) == ()


def test_a_thread_is_fetched_once(cache: Cache) -> None:
    asked: list[str] = []
    with answering(counted(content(THREAD), asked)) as url:
        fetched = stage.fetch(cache, "one@example.org", url)
        assert fetched.is_new
        again = stage.fetch(cache, "one@example.org", url)
        assert (again.path, again.note, again.is_new) == (fetched.path, fetched.note, False)
        assert len(asked) == 1
        assert stage.fetch(cache, "one@example.org", url, again=True).is_new
        assert len(asked) == 2
    # The archive is gone.
    assert stage.fetch(cache, "one@example.org", url) == again


def test_a_thread_is_one_entry_of_the_cache(cache: Cache) -> None:
    with answering(content(THREAD)) as url:
        stage.fetch(cache, "one@example.org", url)
    (entry,) = [one for one in prune.entries(cache) if one.kind == "mails"]
    assert entry.name.startswith("one@example.org.")
    prune.prune(cache, prune.PruneRule(limit_bytes=0))
    assert stage.noted(stage.place(cache, "one@example.org"), "one@example.org") is None


@pytest.mark.parametrize("damage", ["text", "note", "other note"])
def test_a_cached_thread_that_changed_is_fetched_again(cache: Cache, damage: str) -> None:
    with answering(content(THREAD)) as url:
        path = stage.fetch(cache, "one@example.org", url).path
        good = path.read_bytes()
        other = path.with_suffix(".json").read_text().replace("one@", "two@")
        file = path if damage == "text" else path.with_suffix(".json")
        file.write_text({"text": "changed", "note": "{", "other note": other}[damage])
        assert stage.noted(path, "one@example.org") is None
        assert stage.fetch(cache, "one@example.org", url).path.read_bytes() == good


def test_a_thread_of_another_archive_is_fetched_again(cache: Cache) -> None:
    with answering(content(THREAD)) as one, answering(content(THREAD)) as two:
        stage.fetch(cache, "one@example.org", one)
        assert stage.fetch(cache, "one@example.org", two).note.archive == two


def counted(answer: Answer, asked: list[str]) -> Answer:
    def counting(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        answer(request)

    return counting


def slow(request: http.server.BaseHTTPRequestHandler) -> None:
    time.sleep(20)


def stalling(request: http.server.BaseHTTPRequestHandler) -> None:
    content(THREAD[:100], len(THREAD))(request)
    time.sleep(20)


def chunked(data: bytes) -> Answer:
    """Close the connection in the middle, without an announced length."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(data)

    return answer


HTML = b"<html><title>Log in</title></html>"


@pytest.mark.parametrize(
    ("answer", "message", "code"),
    [
        (status(404), "has no mail <one@example.org>. Check the message-id", 2),
        (status(500), "answers with error 500", 69),
        (status(403), "answers with error 403", 69),
        (content(HTML), "does not send a mailbox", 69),
        (content(gzip.compress(HTML)), "sends a thread without <one@example.org>", 69),
        (content(b""), "sends a thread without <one@example.org>", 69),
        (content(gzip.compress(b"")), "sends a thread without <one@example.org>", 69),
        (
            content(mbox(Posting("other@example.org", "[PATCH] mm: other", "Text.\n"))),
            "sends a thread without <one@example.org>",
            69,
        ),
        (content(THREAD[: len(THREAD) // 2], len(THREAD)), "its answer is cut off", 69),
        (chunked(THREAD[: len(THREAD) // 2]), "its answer is cut off", 69),
        (content(THREAD[:-9] + b"\0" * 9), "does not send a mailbox, or a damaged one", 69),
        (slow, "does not send the thread of <one@example.org> within 3 s", 69),
        (stalling, "does not send the thread of <one@example.org> within 3 s", 69),
    ],
)
def test_an_archive_that_fails_is_named_in_one_line(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, answer: Answer, message: str, code: int
) -> None:
    if answer in (slow, stalling):
        monkeypatch.setattr(stage, "FETCH_S", 3)
    with answering(answer) as url, pytest.raises(HarnessError, match=message) as caught:
        stage.fetch(cache, "one@example.org", url)
    assert caught.value.exit_code == code
    assert str(caught.value).startswith(f"{url}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.detail is None
    assert not cache.mails.exists()


def test_a_thread_that_is_too_large_is_refused(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "MAX_MBOX_BYTES", 10)
    with answering(content(THREAD)) as url, pytest.raises(MachineError, match="is over 64 MiB"):
        stage.fetch(cache, "one@example.org", url)
    assert not cache.mails.exists()


def test_an_archive_out_of_reach_fails_within_seconds(cache: Cache) -> None:
    began = time.monotonic()
    with pytest.raises(MachineError, match=r"http://127\.0\.0\.1:9/test: cannot be reached"):
        stage.fetch(cache, "one@example.org", "http://127.0.0.1:9/test/")
    assert time.monotonic() - began < 30
    assert not cache.mails.exists()


def test_a_message_that_the_archive_does_not_have_is_bad_input(
    cache: Cache, archive: MailArchive
) -> None:
    with pytest.raises(InputError, match=r"has no mail <none@example\.org>"):
        stage.fetch(cache, "none@example.org", archive.url)


@pytest.mark.parametrize("name", ["-o@example.org", "--help@example.org", "id=x@example.org"])
def test_no_message_id_is_an_option_of_b4(cache: Cache, archive: MailArchive, name: str) -> None:
    with pytest.raises(InputError, match=f"has no mail <{name}>"):
        stage.fetch(cache, name, archive.url)


def test_the_users_own_archive_is_asked(cache: Cache, archive: MailArchive, home: Path) -> None:
    configure(home / ".gitconfig", midmask=f"{archive.url}/%s")
    assert stage.fetch(cache, V2).note.archive == archive.url


def test_nothing_else_of_the_users_b4_settings_counts(
    cache: Cache, archive: MailArchive, home: Path, tmp_path: Path
) -> None:
    configure(
        home / ".gitconfig",
        midmask=f"{archive.url}/%s",
        attestation_policy="hardfail",
        save_maildirs="yes",
        am_perpatch_check_cmd=f"touch {tmp_path}/run",
    )
    thread = stage.fetch(cache, V2)
    assert len(read_mails(thread.path.read_bytes())) == 10
    patches = select(cache, thread.path.read_bytes()).patches
    assert stage.attested(cache, thread, patches)
    assert not (tmp_path / "run").exists()


def test_a_named_archive_overrides_the_users(
    cache: Cache, archive: MailArchive, home: Path
) -> None:
    configure(home / ".gitconfig", midmask="http://127.0.0.1:9/none/%s")
    assert stage.fetch(cache, V2, archive.url).note.archive == archive.url


@pytest.mark.parametrize("name", ["midmask", "linkmask", "searchmask"])
@pytest.mark.parametrize("where", ["user", "repository"])
def test_an_invalid_setting_is_refused_in_one_line(
    cache: Cache, home: Path, tmp_path: Path, name: str, where: str
) -> None:
    repository = tmp_path / "linux"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    file = {"user": home / ".gitconfig", "repository": repository / ".git" / "config"}[where]
    configure(file, **{name: "file:///etc/%s"})
    with pytest.raises(InputError, match=rf"git config b4\.{name}: 'file:///etc/%s' is not a mask"):
        stage.of_user(cache, repository)


def test_a_repositorys_own_setting_counts_where_it_is_given(
    cache: Cache, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "linux"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    configure(home / ".gitconfig", midmask="https://user.example/%s", linkmask="https://l/%s")
    configure(repository / ".git" / "config", midmask="https://repo.example/%s")
    monkeypatch.chdir(repository)
    assert stage.of_user(cache)["midmask"] == "https://user.example/%s"
    found = stage.of_user(cache, repository)
    assert found == {"midmask": "https://repo.example/%s", "linkmask": "https://l/%s"}
