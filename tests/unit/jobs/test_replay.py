# SPDX-License-Identifier: GPL-2.0-only
"""What a replay does while it waits for make."""

import importlib
import time

import pytest

from harness.jobs import replay


def test_scipy_has_been_imported_when_the_timing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = []

    def import_slowly(name: str) -> None:
        time.sleep(0.1)
        imported.append(name)

    monkeypatch.setattr(importlib, "import_module", import_slowly)
    with replay.scipy_imported():
        pass
    assert imported == ["scipy.stats"]
