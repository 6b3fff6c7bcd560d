# SPDX-License-Identifier: GPL-2.0-only
"""Patches out of mails. A damaged mail is refused, with the command that fetches the raw one.

Archives wrap long lines, turn tabs into spaces and hide addresses; none of it is repaired.
"""

import re
import shlex
from pathlib import Path

from harness.errors import InputError
from harness.project.series import Series
from harness.series.mail import MailError, PatchMail, parse_series
from harness.series.messages import Letter, is_message_id, read_letters

#: An old line of C whose indentation, at least one tab in the kernel, is spaces.
_SPACES = re.compile(r"^[ -] {7}", re.MULTILINE)


def parsed(raw: bytes, path: Path, version: int | None, series: Series) -> tuple[PatchMail, ...]:
    """Return the series in a file of mails. Raises InputError: which line, and what to fetch."""
    try:
        return parse_series(raw, version)
    except MailError as error:
        line = error.line
        *_, letter = (m for m in read_letters(raw) if m.first_line <= (line or 1))
        raise InputError(
            error.what,
            where=f"{path}:{line}" if line else str(path),
            expected="a whole series as an mbox",
            hint=_how_to_fetch(series, version, letter),
        ) from error


def lost_tabs(patch: PatchMail) -> str | None:
    """Return what to fetch instead of a patch without a tab, if spaces stand where tabs were.

    A few files of the kernel are indented with spaces: ask this of patches that do not apply.
    """
    if any("\t" in hunk.text for hunk in patch.hunks):
        return None
    code = [hunk.text for hunk in patch.hunks if hunk.file.endswith((".c", ".h"))]
    return _command(patch.message_id) if any(map(_SPACES.search, code)) else None


def _how_to_fetch(series: Series, version: int | None, letter: Letter) -> str:
    covers = {v.version: v.cover for v in series.versions if v.cover}
    version = version or (letter.tag.version if letter.tag else None)
    message_id = letter.message_id or covers.get(version or 0) or ""
    known = ", ".join(f"v{number} is {cover}" for number, cover in covers.items())
    return _command(message_id) + (f" ({known})" if known and not message_id else "")


def _command(message_id: str) -> str:
    named = shlex.quote(message_id) if is_message_id(message_id) else "MESSAGE-ID"
    return f"fetch the raw mail by its message-id: `b4 am {named}`"
