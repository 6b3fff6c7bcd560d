# SPDX-License-Identifier: GPL-2.0-only
"""Every form of every kind of conclusion, letter by letter.

`pytest tests/unit/test_report_goldens.py --write-goldens` writes them anew; read the difference.
"""

from pathlib import Path

import pytest

from tests.unit.reports import CONCLUSIONS, FORMS, made

FOLDER = Path(__file__).parent.parent / "data" / "reports"
#: Long, and much the same for all: kept of one that passed, one that did not, one of a replay,
#: one of a ladder.
LONG = {"kcidb.json": {"reproduced", "failed", "replay", "ladder-broken"}}
GOLDENS = [(name, form) for name in CONCLUSIONS for form in FORMS if name in LONG.get(form, {name})]


@pytest.mark.parametrize(("name", "form"), GOLDENS)
def test_the_report_is_as_it_was(name: str, form: str, request: pytest.FixtureRequest) -> None:
    text = made(name, form)
    file = FOLDER / f"{name}.{form}"
    if request.config.getoption("--write-goldens"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def test_there_is_no_golden_that_nobody_checks() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{n}.{form}" for n, form in GOLDENS}
