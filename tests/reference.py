# SPDX-License-Identifier: GPL-2.0-only
"""Keeps a run in results/reference/, without its logs and without the names of a machine's folders.

By hand, in the checkout that the run was made in:

    python -m tests.reference results/memcpy-streaming/20260101T120000-abcdef reproduce
"""

import json
import re
import sys
from pathlib import Path

from harness.host.cache import Cache
from harness.project.project import Project
from harness.record import store

#: The placeholders of folders of the machine that made the run.
CHECKOUT, CACHE, HOME = "/checkout", "/cache", "/home/user"
#: Files of a run's folder that its reports are made from.
_KEPT = ("record.json", "replay.json", "claims.yaml")


def without_folders(text: str, folders: dict[Path, str]) -> str:
    """Return a text with each folder replaced by its placeholder, the longest name first."""
    for folder in sorted(folders, key=lambda path: len(str(path)), reverse=True):
        text = re.sub(rf"{re.escape(str(folder))}(?![\w.-])", folders[folder], text)
    return text


def keep(run: Path, name: str, folders: dict[Path, str], results: Path) -> Path:
    """Write what is kept of a run to results/reference/; return its folder there."""
    target = results / "reference" / store.load(run).subject.slug / name
    target.mkdir(parents=True, exist_ok=True)
    for file in _KEPT:
        if (run / file).exists():
            text = without_folders((run / file).read_text(), folders)
            if file.endswith(".json"):
                text = (
                    json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False) + "\n"
                )
            (target / file).write_text(text)
    store.load(target)
    return target


def main(run: str, name: str) -> None:
    """Keep the run in the folder `run` under `name`."""
    project = Project.find()
    folders = {
        project.root: CHECKOUT,
        Path(sys.prefix): f"{CHECKOUT}/.venv",
        Cache.default().root: CACHE,
        Path.home(): HOME,
    }
    sys.stdout.write(f"{keep(Path(run), name, folders, project.results)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
