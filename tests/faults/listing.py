# SPDX-License-Identifier: GPL-2.0-only
"""Writes the table of faults to docs/faults.md: `python -m tests.faults.listing`."""

from tests.faults import (  # noqa: F401 (they add rows)
    anywhere,
    apply,
    boot,
    build,
    fetch,
    record,
    server,
)
from tests.faults.scene import ROOT
from tests.faults.table import FAULTS, STAGES

PAGE = ROOT / "docs" / "faults.md"
HEAD = """\
# Faults and how the harness reports them

`pytest tests/faults` provokes each of these for real; `python -m tests.faults.listing` writes this
page. In every case one line says what is wrong, where, what was expected and what to do. Finished
work is stored, no process, mount or temporary file is left, and no failure becomes a number. *Says*
is the pattern that the tests look for. For exit codes see `harness --help`.
"""


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for stage in STAGES:
        rows = [f for f in FAULTS.values() if f.stage == stage]
        parts.append(
            f"## {stage.capitalize()}\n\n| fault | exit | says | run record |\n|---|---|---|---|"
        )
        for f in rows:
            says = f.says.replace("|", "\\|")
            outcome = f.record.partition(":")[0] or "-"
            parts[-1] += f"\n| {f.done} | {f.exit_code} | `{says}` | {outcome} |"
        parts[-1] += "\n"
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
