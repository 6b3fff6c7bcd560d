# SPDX-License-Identifier: GPL-2.0-only
"""`series import --check-tree` with real git, on a fake kernel tree."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import DoesNotApply
from harness.parse.wrapped import unwrap_mails
from harness.stages import patch_check
from tests.integration.test_apply import Scene, add_long_lines, archived


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(tmp_path)
    add_long_lines(made)

    @contextmanager
    def checked_out(*_arguments: object) -> Iterator[Path]:
        yield made.worktree

    monkeypatch.setattr(patch_check, "checked_out", checked_out)
    monkeypatch.setattr(patch_check, "fetch", lambda *_arguments: made.tree)
    return made


def applying(scene: Scene, raw: bytes) -> bytes:
    return patch_check.applying(scene.project, scene.cache, "v7.2", unwrap_mails(raw), "mails")


def test_what_an_archive_wrapped_applies_as_it_was_sent(scene: Scene) -> None:
    sent = scene.patches()
    assert applying(scene, b"".join(sent)) == b"".join(sent)
    wrapped = [archived(mail) for mail in sent]
    assert applying(scene, b"".join(wrapped)) == b"".join(sent)
    assert applying(scene, b"".join(reversed(wrapped))) == b"".join(sent)
    assert scene.is_clean()


def test_what_does_not_apply_is_named(scene: Scene) -> None:
    *_, last = scene.patches()
    for mail, said in (
        (last, r"mm/mm_init\.c:\d+: the patch does not apply to v7\.2"),
        (archived(last), "tabs became spaces, and mm/mm_init.c is not the one it was made for"),
    ):
        with pytest.raises(DoesNotApply, match=said):
            applying(scene, mail)
    assert scene.is_clean()
