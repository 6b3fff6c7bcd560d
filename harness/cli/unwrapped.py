# SPDX-License-Identifier: GPL-2.0-only
"""The patch in an imported mail: did an archive wrap it, and does it apply nevertheless?"""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.progress import watching
from harness.errors import InputError, MachineError
from harness.inputs import Project

if TYPE_CHECKING:
    from harness.analysis.importing import Found
    from harness.parse.wrapped import Mended


def mended_patch(
    project: Project,
    raw: bytes,
    file: str,
    found: "Found",
    check_tree: str | None,
    write_patch: Path | None,
) -> dict[str, object] | None:
    """Say what state the patch is in; None where there is none, or nothing is wrong with it.

    With a tree it must apply there. Raises InputError where that or a file is asked for and the
    patch cannot be put together, DoesNotApply where it does not apply.
    """
    from harness.parse.mail import MailError
    from harness.parse.wrapped import unwrap_mails

    is_asked = check_tree is not None or write_patch is not None
    try:
        mended = unwrap_mails(raw)
    except MailError as error:
        if is_asked:
            raise InputError(
                error.what, where=f"{file}:{error.line}", mend=_fetch(project, found, raw)
            ) from error
        said = f"{file}:{error.line}: patch: {error.what}. {_sentence(project, found, raw)}"
        return {"applies_to": None, "joined": [], "tabs_unsure": None, "said": said}
    if check_tree is not None:
        whole = _checked(project, mended, file, check_tree)
    elif write_patch is not None and mended.joined and mended.tabs_unsure:
        raise InputError(
            "the patch's tabs may have become spaces", where=file, mend="add --check-tree T"
        )
    else:
        whole = mended.raw
    if write_patch is not None:
        _write(write_patch, whole)
    if not mended.joined and check_tree is None:
        return None
    return {
        "applies_to": check_tree,
        "joined": list(mended.joined),
        "tabs_unsure": mended.tabs_unsure and check_tree is None,
        "said": _state(project, found, raw, mended, file, check_tree),
    }


def _state(
    project: Project, found: "Found", raw: bytes, mended: "Mended", file: str, tree: str | None
) -> str:
    told = "patch"
    if mended.joined:
        told = (
            f"{file}:{mended.joined[0]}: patch: {len(mended.joined)} lines were broken off by an "
            "archive, and put together by the hunks' counts"
        )
    if tree is not None:
        return f"{told}; applies to {tree}" if mended.joined else f"{told} applies to {tree}"
    if mended.tabs_unsure:
        told += "; tabs may have become spaces: it needs --check-tree T to be sure"
        return f"{told}. {_sentence(project, found, raw)}"
    return told


def _checked(project: Project, mended: "Mended", file: str, tree: str) -> bytes:
    from harness.cache import Cache
    from harness.stages.patch_check import applying

    with watching() as listen:
        return applying(project, Cache.default(), tree, mended, file, listen)


def _fetch(project: Project, found: "Found", raw: bytes) -> str | None:
    from harness.stages.mbox import how_to_fetch

    if found.slug is None or found.slug not in project.slugs():
        return None
    return how_to_fetch(project.series(found.slug), found.version, raw)


def _sentence(project: Project, found: "Found", raw: bytes) -> str:
    told = _fetch(project, found, raw) or "fetch it by message-id with `b4 am`"
    return f"{told[0].upper()}{told[1:]}"


def _write(path: Path, raw: bytes) -> None:
    from harness.records import replace_file

    try:
        replace_file(path, raw)
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=str(path)) from error
