# SPDX-License-Identifier: GPL-2.0-only
"""A mail archive for the tests of this folder."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.mail_archive import MailArchive, mail_archive

LINUX = Path(__file__).parents[2] / "fakes" / "linux"


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailArchive]:
    """A public-inbox with the thread of tests/fakes/mail_archive.py; one per worker."""
    if shutil.which("public-inbox-httpd") is None and "CI" not in os.environ:
        pytest.skip("public-inbox is not installed")
    with mail_archive(tmp_path_factory.mktemp("archive"), LINUX) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without configuration, and no proxy to loopback."""
    made = tmp_path / "home"
    made.mkdir()
    monkeypatch.setenv("HOME", str(made))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(made / "config"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    return made
