# SPDX-License-Identifier: GPL-2.0-only
"""The claims that a run is judged by: claims.yaml beside its record, else those of series.yaml."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from harness.errors import InputError, MachineError, RecordError
from harness.host.files import replace_file
from harness.project.claim import Claim
from harness.project.project import Project
from harness.project.yaml_file import YamlFile
from harness.record import store
from harness.record.record import RunRecord

FILE = "claims.yaml"
_HEAD = """\
# SPDX-License-Identifier: GPL-2.0-only
# The claims that this run is judged by, instead of those of series.yaml: figures in milliseconds.
"""


class RunClaims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Claims that came with the patches of a run, or that the user stated for it.

    `source` says where they come from; `left_open` are the lines of the letter that were not read.
    """

    source: str
    claims: tuple[Claim, ...] = ()
    left_open: tuple[str, ...] = ()


def save(folder: Path, claims: RunClaims | None) -> None:
    """Write the claims into a run's folder; None leaves it without. Raises MachineError."""
    try:
        if claims is None:
            (folder / FILE).unlink(missing_ok=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(folder / FILE, _text(claims))
    except OSError as error:
        where = str(folder / FILE)
        raise MachineError(f"cannot be written: {error.strerror}", where=where) from error


def _text(claims: RunClaims) -> bytes:
    entries = [_without_none(msgspec.to_builtins(claim)) for claim in claims.claims]
    made = {"source": claims.source, "claims": entries, "left_open": [*claims.left_open]}
    text = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=100)
    return f"{_HEAD}{text}".encode()


def load(folder: Path) -> RunClaims | None:
    """Return the claims in a run's folder; None if it has none of its own. Raises RecordError."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return YamlFile.read(path).load(RunClaims)
    except InputError as error:
        hint = "restore the file; without it the run would be judged by other claims"
        raise RecordError(error.what, where=error.where, hint=hint) from error


def claims_of(project: Project, record: RunRecord, path: Path | None = None) -> tuple[Claim, ...]:
    """Return the claims that a run is judged by. Raises RecordError, InputError.

    `path` is its folder or record, if that is not in its usual place below results/.
    """
    folder = store.folder_of(project.results, record) if path is None else path
    own = load(folder if folder.is_dir() else folder.parent)
    if own is None:
        return project.claims(project.measurable_series(record.subject.slug).slug)
    # They are about the patches of this run, so they get its version.
    version = record.subject.version
    return tuple(msgspec.structs.replace(claim, version=version) for claim in own.claims)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [*value] if isinstance(value, list | tuple) else value
