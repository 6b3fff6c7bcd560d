# SPDX-License-Identifier: GPL-2.0-only
"""README shows what the reference run's report is."""

import pytest

from harness.cli import cli
from harness.project.project import Project

ROOT = Project.find().root
RUN = ROOT / "results" / "reference" / "memcpy-streaming" / "reproduce"


def test_readme_shows_the_report_of_the_reference_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    cli.main(["report", str(RUN)], standalone_mode=False)
    *shown, record = (line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert record.startswith("record: ")
    assert "```\n" + "\n".join(shown) + "\n```\n" in (ROOT / "README.md").read_text()
