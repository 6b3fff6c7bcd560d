# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures and settings for all tests."""

import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

GOLDENS = Path(__file__).parent / "goldens"

# A shell script starts background jobs with SIGINT ignored. Programs that tests start and then
# interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: machines that run tests are often busy.
settings.register_profile("default", deadline=None)
# For `./bootstrap test --fast`, by --hypothesis-profile.
settings.register_profile("fast", deadline=None, max_examples=15)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="Write tests/goldens/ instead of comparing."
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with a file below tests/goldens/, or write the file (--update-goldens)."""

    def compare(name: str, text: str) -> None:
        file = GOLDENS / name
        if request.config.getoption("--update-goldens"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        assert text == file.read_text(), "if this is intended, run pytest with --update-goldens"

    return compare


@pytest.fixture(scope="session")
def _caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Paths of cache folders, none used twice. Not mktemp(): that lists all earlier ones."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_cache(_caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test an empty cache and no settings: none may touch, or profit from, the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(next(_caches)))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(next(_caches)))
