# SPDX-License-Identifier: GPL-2.0-only
"""What every test runs under."""

from pathlib import Path

import pytest
from hypothesis import settings

# Machines that test this are often busy with a kernel build: slow is no failure.
settings.register_profile("default", deadline=None)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-goldens", action="store_true", help="write tests/data/reports/ anew")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No unit or integration test may touch, or profit from, the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder
