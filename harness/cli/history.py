# SPDX-License-Identifier: GPL-2.0-only
"""`harness report --index`: every run's page, and one page above them, written as plain files."""

import os
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness import records
from harness.errors import HarnessError, MachineError
from harness.events import Advanced, Began, Ended, Listener
from harness.inputs import Project

if TYPE_CHECKING:
    from harness.model.claim import Claim
    from harness.model.record import RunRecord
    from harness.report.index import Broken, Run


def write_site(project: Project, site: Path, listen: Listener) -> Path:
    """Write the site below `site` and return its index. What cannot be judged is shown there.

    Raises MachineError where it cannot be written.
    """
    from harness.report import index

    found = (f for f in project.results.glob("*/*") if f.is_dir())
    folders = sorted(f for f in found if site == project.results or site not in f.parents)
    listen(Began(f"{len(folders)} runs"))
    loaded, broken = _load(project, folders)
    nulls = [record for _, record in loaded if record.is_null]
    claims: dict[str, tuple[Claim, ...]] = {}
    runs: list[Run] = []
    for number, (folder, record) in enumerate(loaded):
        listen(Advanced(number, len(loaded), record.run_id))
        made = _one(project, site, folder, record, nulls, claims)
        if isinstance(made, index.Run):
            runs.append(made)
        else:
            broken.append(made)
    path = _put(site / index.NAME, index.page(runs, broken))
    listen(Ended(f"{len(runs)} runs, {len(broken)} that cannot be judged"))
    return path


def _load(
    project: Project, folders: Sequence[Path]
) -> "tuple[list[tuple[Path, RunRecord]], list[Broken]]":
    from harness.report.index import Broken

    loaded, broken = [], []
    for folder in folders:
        try:
            loaded.append((folder, records.load(folder)))
        except HarnessError as error:
            broken.append(Broken(str(folder.relative_to(project.results)), error.what))
    return loaded, broken


def _one(
    project: Project,
    site: Path,
    folder: Path,
    record: "RunRecord",
    nulls: "Sequence[RunRecord]",
    claims: "dict[str, tuple[Claim, ...]]",
) -> "Run | Broken":
    from harness.analysis.conclude import conclude
    from harness.report import html, index

    name = folder.relative_to(project.results)
    slug = record.subject.slug
    try:
        if slug not in claims:
            claims[slug] = project.claims(slug)
        conclusion = conclude(record, claims[slug], [n for n in nulls if n.subject.slug == slug])
        page = site / name / html.NAME
        text = html.page(
            conclusion,
            has=lambda log: (folder / log).is_file(),
            home=_link(folder, page.parent) + "/",
            index=_link(site / index.NAME, page.parent),
        )
        _put(page, text)
    except MachineError:
        raise
    except Exception as error:  # noqa: BLE001 (one odd record must not hide a thousand others)
        known = isinstance(error, HarnessError)
        return index.Broken(str(name), str(error) if known else f"the harness fails: {error!r}")
    return index.run_of(conclusion, _link(page, site))


def _link(target: Path, start: Path) -> str:
    return urllib.parse.quote(os.path.relpath(target, start))


def _put(path: Path, text: str) -> Path:
    """Write a page, unless it is there already."""
    data = text.encode()
    try:
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            records.replace_file(path, data, durable=False)
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(path)) from error
    return path
