# SPDX-License-Identifier: GPL-2.0-only
"""Output of `harness series import`: what was read, and the change of series.yaml."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.cli.postings import patch_name

if TYPE_CHECKING:
    from harness.claims.claims import Posting
    from harness.claims.importing import Import
    from harness.project.claim import Figures


def show(found: "Import", posting: "Posting") -> None:
    """Print series, version, base, procedure and one row per claim."""
    from harness.project.claim import on_setup

    version = f"v{found.version}" if found.version else "version unknown"
    if found.version and not posting.version:
        version += " (it has that version's figures)"
    base = found.base or "base unknown"
    click.echo(printable(f"{found.slug or 'unknown series'} {version} on {base}: {found.title}"))
    spaces = [
        f"{n.mode} {n.size}"
        + (f" map={n.map}" if n.map else "")
        + (f" align={n.align}" if n.align else "")
        for n in posting.procedure.namespaces
    ]
    procedure = ", ".join([f"{found.claims[0].rebinds} rebinds", *spaces])
    click.echo(printable(f"{procedure} (guest {found.guest or 'unknown'})"))
    row = "{:<9} {:<13} {:>18} {:>18} {:>9}   {}".format
    click.echo(row("driver", "after", "base: first, avg", "tip: first, avg", "claimed", "in lines"))
    for claim, lines in zip(found.claims, posting.lines, strict=True):
        percent = (f"{claim.reduction} %" if claim.reduction else claim.stated) or "-"
        builds = (_build(claim.base), _build(claim.tip))
        after = patch_name(claim.after_patch)
        where = f"{_ranges(lines)}{on_setup(claim.setup)}"
        click.echo(row(claim.metric, after, *builds, percent, where))


def show_changes(before: str | None, after: str, path: Path | None) -> None:
    """Print the change of series.yaml as a diff."""
    lines = difflib.unified_diff(
        (before or "").splitlines(), after.splitlines(), "there", str(path), n=1, lineterm=""
    )
    for line in lines:
        click.echo(printable(line))


def document(
    found: "Import",
    posting: "Posting",
    *,
    written: bool,
    refused: str = "",
) -> dict[str, object]:
    """Return the JSON document; `refused` is why series.yaml contradicts the mails."""
    procedure = posting.procedure
    return {
        "slug": found.slug,
        "version": found.version,
        "base": found.base,
        "title": found.title,
        "date": posting.date,
        "patches": posting.patches,
        "cover": posting.cover,
        "procedure": {
            "rebinds": found.claims[0].rebinds,
            "namespaces": procedure.namespaces,
            "hz": procedure.hz,
            "function": procedure.function,
            "guest": found.guest,
        },
        "claims": found.claims,
        "lines": posting.lines,
        "not_understood": posting.problems,
        "lacking": found.lacking(),
        "path": None if found.path is None else str(found.path),
        "kept": written,
        "refused": refused,
    }


def _build(figures: "Figures | None") -> str:
    if figures is None:
        return "-"
    first = "-" if figures.first_ms is None else f"{figures.first_ms:g}"
    return f"{first}, {figures.mean}"


def _ranges(lines: tuple[int, ...]) -> str:
    """Return line numbers as ranges: 40-42, 47."""
    runs: list[list[int]] = []
    for number in lines:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs)
