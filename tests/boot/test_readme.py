# SPDX-License-Identifier: GPL-2.0-only
"""Every command that the README shows, run for real, with the exit code that it promises."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from harness.inputs import Project
from harness.tools import b4
from tests.boot.test_reproduce import harness

pytestmark = pytest.mark.boot

ROOT = Project.find().root
README = (ROOT / "README.md").read_text()
COMMANDS = list(dict.fromkeys(re.findall(r"\./bootstrap ([a-z][^`#\n]*[^`#\n ])", README)))
#: Codes other than 0. Lore is out of many machines' reach, which must be said, not hidden.
CODES = {
    "reproduce --plan quick --require-verdict": {0, 1},
    "series fetch memcpy-streaming --version 2": {0, 69},
}


def test_the_readme_shows_what_is_asked_for() -> None:
    assert {"reproduce", "reproduce --plan quick", "doctor", "test"} <= set(COMMANDS)
    assert set(CODES) <= set(COMMANDS)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[0] != "test"])
def test_the_readmes_command_works(
    command: str, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = sorted((ROOT / "series/memcpy-streaming/ports/v7.2").glob("*.patch"))
    (tmp_path / "my-series.mbox").write_bytes(b4.mbox([p.read_bytes() for p in patches]))
    shutil.copy(ROOT / "tests/data/mail/claims-v2.mbox", tmp_path / "mail.txt")
    monkeypatch.chdir(tmp_path)
    done = harness(results, *shlex.split(command), seconds=3600)
    assert done.returncode in CODES.get(command, {0}), done.stderr
    if done.returncode == 0:
        assert done.stdout.strip()
    else:
        assert "Traceback" not in done.stderr
