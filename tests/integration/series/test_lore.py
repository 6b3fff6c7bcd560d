# SPDX-License-Identifier: GPL-2.0-only
"""Posted series: the mails that b4 fetches are checked and cached."""

import time
from pathlib import Path

import pytest

from harness.errors import InputError, MachineError, ToolFailed
from harness.host.cache import Cache
from harness.project.project import Project
from harness.series import apply, b4
from harness.series import lore as post
from harness.series.source import Posted

YAML = """\
title: a series
function: f
object: mm/x.o
port_of: 1
versions:
  - {version: 1, date: 2026-01-01, patches: 1, base: v7.2}
  - {version: 2, date: 2026-01-02, patches: 2, base: v7.2, cover: two@example.org}
"""
MAIL = """\
From mboxrd@z Thu Jan  1 00:00:00 1970
From: A <a@example.org>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH v2 {n}/{of}] mm: step {n}

---
diff --git a/mm/x.c b/mm/x.c
--- a/mm/x.c
+++ b/mm/x.c
@@ -{n} +{n} @@
-a
+b
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "series" / "test").mkdir(parents=True)
    (tmp_path / "series" / "test" / "series.yaml").write_text(YAML)
    return Project(tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


class Lore:
    """Stands in for b4 and the archive behind it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[tuple[str, int]] = []

    def __call__(
        self, message_id: str, version: int, folder: Path, *_: object, **__: object
    ) -> Path:
        self.asked.append((message_id, version))
        (folder / "series.mbx").write_text(self.text)
        return folder / "series.mbx"


def lore(monkeypatch: pytest.MonkeyPatch, of: int, *numbers: int) -> Lore:
    made = Lore("".join(MAIL.format(n=n, of=of) for n in numbers))
    monkeypatch.setattr(b4, "fetch", made)
    return made


def test_a_fetched_series_is_cached(
    project: Project, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = lore(monkeypatch, 2, 1, 2)
    path, note = post.fetch(project, cache, "test", 2)
    assert post.fetch(project, cache, "test", 2) == (path, note)
    assert archive.asked == [("two@example.org", 2)]
    assert (note.patches, note.message_id) == (2, "two@example.org")


def test_a_cached_file_that_changed_is_fetched_again(
    project: Project, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = lore(monkeypatch, 2, 1, 2)
    path, _ = post.fetch(project, cache, "test", 2)
    path.write_text("changed")
    assert post.noted(path, "two@example.org") is None
    assert post.fetch(project, cache, "test", 2)[0].read_text() == archive.text
    assert len(archive.asked) == 2


@pytest.mark.parametrize(
    ("of", "numbers", "message"),
    [(2, (1,), "lacks patch 2"), (3, (1, 2, 3), "fetched 3 patches; expected 2"), (2, (), "holds")],
)
def test_an_incomplete_series_is_not_cached(
    project: Project,
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
    of: int,
    numbers: tuple[int, ...],
    message: str,
) -> None:
    lore(monkeypatch, of, *numbers)
    with pytest.raises(MachineError, match=message) as caught:
        post.fetch(project, cache, "test", 2)
    assert caught.value.exit_code == 69
    assert not cache.mails.exists()


def test_an_unknown_version_is_bad_input(project: Project, cache: Cache) -> None:
    with pytest.raises(InputError, match="no version 3; expected one of 1, 2"):
        post.fetch(project, cache, "test", 3)
    with pytest.raises(InputError, match="message-id of v1 is not known"):
        post.fetch(project, cache, "test", 1)


@pytest.mark.parametrize(("version", "message"), [(3, "no version 3"), (1, "message-id of v1")])
def test_an_unknown_version_is_refused_before_a_tree_is_fetched(
    project: Project, cache: Cache, monkeypatch: pytest.MonkeyPatch, version: int, message: str
) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(apply, "fetch", lambda *_: fetched.append("tree"))
    with pytest.raises(InputError, match=message):
        apply.on_tree(project, cache, "test", "v7.2", Posted(version))
    assert not fetched


def test_an_archive_out_of_reach_fails_within_seconds(
    project: Project, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    began = time.monotonic()
    with pytest.raises(MachineError, match="cannot be fetched by b4") as caught:
        post.fetch(project, cache, "test", 2)
    assert isinstance(caught.value.__cause__, ToolFailed)
    assert time.monotonic() - began < 30
    assert not cache.mails.exists()
