# SPDX-License-Identifier: GPL-2.0-only
"""Mails that are to be applied: as they were sent, also out of an archive that wrapped them.

Only what is proved is used: whole lines by the hunks' counts, tabs by git's hashes.
"""

from pathlib import Path

import msgspec

from harness.errors import DoesNotApply, InputError
from harness.model.series import Series
from harness.parse.diff import parse_diff
from harness.parse.letters import read_letters
from harness.parse.mail import MailError, PatchMail, parse_series
from harness.parse.retab import Read
from harness.parse.wrapped import Restorer, unwrap_mails


class Mails(msgspec.Struct, frozen=True):
    """A series' patches. `is_wrapped`: an archive had wrapped them, and they were put together.

    `tabs_unsure`: none has a tab, and an archive may have turned some to spaces.
    """

    patches: tuple[PatchMail, ...]
    is_wrapped: bool
    tabs_unsure: bool


def parsed(raw: bytes, path: Path, version: int | None, series: Series) -> Mails:
    """Return the series in a file of mails. Raises InputError: which line, and what to fetch."""
    try:
        patches = parse_series(raw, version)
    except MailError as error:
        what, line = error.what, error.line
    else:
        has_tabs = any("\t" in hunk.text for patch in patches for hunk in patch.hunks)
        return Mails(patches, is_wrapped=False, tabs_unsure=not has_tabs)
    try:
        mended = unwrap_mails(raw)
    except MailError:
        # What was found first tells more than why it cannot be mended.
        mended = None
    if mended is not None and mended.joined:
        line = mended.joined[0]
        try:
            patches = parse_series(mended.raw, version)
        except MailError as error:
            what = f"was wrapped by an archive; put together again, it {error.what}"
        else:
            return Mails(patches, is_wrapped=True, tabs_unsure=mended.tabs_unsure)
    raise InputError(
        what,
        where=f"{path}:{line}" if line else str(path),
        expected="a whole series as an mbox",
        mend=how_to_fetch(series, version, raw),
    )


def with_tabs(mails: Mails, read: Read, path: str, series: Series) -> tuple[PatchMail, ...]:
    """Return the patches with the tabs that an archive may have turned to spaces.

    `read` gives a file of the tree they are applied to. Where that proves nothing, those that were
    not wrapped are left as they are, for they may never have had any; for others, it raises
    DoesNotApply.
    """
    if not mails.tabs_unsure:
        return mails.patches
    restorer = Restorer(read)
    restored = []
    for patch in mails.patches:
        try:
            raw = restorer.restore(patch.raw)
        except MailError as error:
            if not mails.is_wrapped:
                return mails.patches
            raise DoesNotApply(
                f"patch {patch.number}/{patch.total} ({patch.subject}) was wrapped by an archive, "
                f"which turned its tabs to spaces: {error.what}",
                where=path,
                mend=how_to_fetch(series, patch.version, patch.raw),
            ) from error
        (letter, *_) = read_letters(raw)
        hunks = parse_diff(letter.text.splitlines())
        restored.append(msgspec.structs.replace(patch, raw=raw, hunks=hunks))
    return tuple(restored)


def how_to_fetch(series: Series, version: int | None, raw: bytes) -> str:
    """Say by which message-id the mails can be had as they were sent."""
    letter = read_letters(raw)[0]
    version = version or (letter.tag.version if letter.tag else None)
    known = {v.version: v.cover for v in series.versions if v.cover}
    if version in known:
        return (
            f"fetch message-id {known[version]}: "
            f"`harness series fetch {series.slug} --version {version}`, or `b4 am`"
        )
    if letter.message_id:
        return f"fetch message-id {letter.message_id} with `b4 am`"
    ids = ", ".join(f"v{number} is {cover}" for number, cover in known.items())
    by = f" ({ids})" if ids else ""
    return (
        f"fetch it by message-id{by}: `harness series fetch {series.slug} --version N`, or `b4 am`"
    )
