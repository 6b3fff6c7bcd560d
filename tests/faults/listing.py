# SPDX-License-Identifier: GPL-2.0-only
"""The table as a page: `python -m tests.faults.listing` writes docs/faults.md."""

from tests.faults import anywhere, apply, boot, build, fetch, record  # noqa: F401 (they add rows)
from tests.faults.scene import ROOT
from tests.faults.table import FAULTS, STAGES

PAGE = ROOT / "docs" / "faults.md"
HEAD = """\
# What can go wrong, and what comes of it

Each of these is provoked for real by `pytest tests/faults`; `python -m tests.faults.listing` makes
this page. Whatever happens, one line says what, where, what was expected and what to do; what was
finished is kept; no process, mount or temporary file of ours is left; and no failure becomes a
number. The README explains exit codes. *Says* is the pattern that the tests look for.
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
