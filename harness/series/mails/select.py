# SPDX-License-Identifier: GPL-2.0-only
"""Selects the patches of one series from mails with b4, and checks what b4 selected.

b4 takes any new mail of a thread that has a diff for one more patch, so a late fix would be part of
the series, or the whole of it.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from harness.errors import ToolFailed
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.series.mails import b4
from harness.series.mails.fixes import fixes_among, fixes_another
from harness.series.mails.mail import MailError, PatchMail, checked, refuse_damaged
from harness.series.mails.messages import MAX_MAILS, Mail, Tag, read_mails

SELECT_S = 60
#: How many selections are kept in memory.
MAX_SELECTED = 16
_ALONE = Tag(version=1, number=1, total=1)


class _Offered(msgspec.Struct, frozen=True):
    """A mail, and its copy for b4, which has a message-id."""

    mail: Mail
    copy: bytes

    @property
    def tag(self) -> Tag:
        return self.mail.tag or _ALONE


class Selected(msgspec.Struct, frozen=True):
    """The patches of a series in order, its cover letter, and the other mails with diffs.

    `fixes` answer the series, oldest first; `left_out` are of other versions, or proposals.
    """

    patches: tuple[PatchMail, ...]
    cover: Mail | None = None
    fixes: tuple[Mail, ...] = ()
    left_out: tuple[Mail, ...] = ()


_SELECTED: dict[tuple[bytes, int | None], Selected] = {}


def select(cache: Cache, raw: bytes, version: int | None = None) -> Selected:
    """Return the series that mails hold, and what else in them has a diff.

    `version` None is the latest. Raises MailError if b4 selects no complete series, or contradicts
    the mails' subjects; ToolFailed, TimedOut.
    """
    # Commands read a series more than once, and b4 takes most of a second.
    key = (hashlib.sha256(raw).digest(), version)
    if key not in _SELECTED:
        found = _select(cache, raw, version)
        if len(_SELECTED) >= MAX_SELECTED:
            _SELECTED.clear()
        _SELECTED[key] = found
    return _SELECTED[key]


def _select(cache: Cache, raw: bytes, version: int | None) -> Selected:
    mails = read_mails(raw)
    if len(mails) > MAX_MAILS:
        raise MailError(f"holds over {MAX_MAILS} mails")
    offered = _offered(mails)
    try:
        if not any(mail.has_diff and not mail.is_reply for mail in mails):
            checked([])
        selected = _selected(cache, offered, version)
        chosen = [_as_read(name, tag, offered) for name, tag in selected.items()]
        patches = checked(chosen)
    except (MailError, ToolFailed):
        # The damage may be why b4 did not see the patch.
        refuse_damaged(mails)
        raise
    _require_series(chosen)
    if version is None:
        _require_latest(mails, patches[0].version)
    others = {
        name: one.mail
        for name, one in offered.items()
        if one.mail.has_diff and name not in selected
    }
    late = {name for name in others if _is_late(name, selected, offered)}
    for name, mail in others.items():
        if not mail.is_reply and name not in late:
            _require_other_version(mail, patches[0].version)
    cover = _cover(patches, offered)
    series: set[str | None] = {*selected, *([cover.message_id] if cover else [])}
    answers = [
        mail
        for name, mail in others.items()
        if (name in late or mail.is_reply) and _answers(name, series, late, offered)
    ]
    fixes = fixes_among(answers, patches[0].version)
    left_out = tuple(mail for mail in others.values() if mail not in fixes)
    return Selected(patches, cover, fixes, left_out)


def _cover(patches: Sequence[PatchMail], offered: Mapping[str, _Offered]) -> Mail | None:
    """Return the cover letter: of the patches' version, and the one they answer if there are two.

    Mails from a folder may not say what they answer.
    """
    place = Tag(patches[0].version, 0, len(patches))
    found = [one.mail for one in offered.values() if one.mail.tag and not one.mail.is_reply]
    covers = [mail for mail in found if mail.tag == place]
    answered = {patch.parent for patch in patches}
    covers.sort(key=lambda mail: mail.message_id not in answered)
    return covers[0] if covers else None


def _answers(
    name: str, series: set[str | None], late: set[str], offered: Mapping[str, _Offered]
) -> bool:
    """Return whether the nearest series above a mail is this one: versions may share a thread."""
    seen, ahead = {name}, [name]
    while ahead:
        for above in reversed(offered[ahead.pop(0)].mail.answers):
            if above in series:
                return True
            if above in offered and above not in seen:
                mail = offered[above].mail
                if not mail.is_reply and mail.tag and above not in late:
                    return False
                seen.add(above)
                ahead.append(above)
    return False


def version_of(mails: Sequence[Mail], name: str) -> int | None:
    """Return the version of the series that a mail of a thread belongs to.

    None if all mails are of one version, or its subject and those above it have no version.
    """
    if len({mail.tag.version for mail in mails if mail.tag}) < 2:
        return None
    known = {mail.message_id: mail for mail in mails}
    mail = known[name]
    above = [mail, *(known[answered] for answered in reversed(mail.answers) if answered in known)]
    return next((one.tag.version for one in above if one.tag), None)


def _require_series(chosen: Sequence[Mail]) -> None:
    """Raise MailError if the only patch is a fix of another one."""
    if len(chosen) == 1 and fixes_another(chosen[0].title):
        raise MailError(
            f"holds a fix without the patch that it fixes: {chosen[0].title}", chosen[0].first_line
        )


def _require_latest(mails: Sequence[Mail], selected: int) -> None:
    """Raise MailError if a patch, cover letter or reply to one is of a later version."""
    for mail in mails:
        if mail.about and mail.about.version > selected:
            raise MailError(
                f"holds a later version, v{mail.about.version}, than b4 selects: v{selected}",
                mail.first_line,
            )


def _require_other_version(mail: Mail, selected: int) -> None:
    if (mail.tag or _ALONE).version == selected:
        raise MailError(f"holds another patch of v{selected}: {mail.title}", mail.first_line)


def _offered(mails: tuple[Mail, ...]) -> dict[str, _Offered]:
    """Return the mails by message-id; of a mail that came twice, by two lists, the first."""
    found: dict[str, _Offered] = {}
    copies = read_mails(b4.mbox([mail.raw for mail in mails]))
    for mail, copy in zip(mails, copies, strict=True):
        if copy.message_id:
            found.setdefault(copy.message_id, _Offered(mail, copy.raw))
    return found


def _selected(cache: Cache, offered: Mapping[str, _Offered], version: int | None) -> dict[str, Tag]:
    """Return the message-ids of a series' patches in order, with b4's reading of the subjects.

    What answers the series later is kept from b4, which then selects again.
    """
    # b4 may number a second patch without a version as a version that the mails hold, and lose that
    # version's patches.
    late = {name for name in offered if _answers_patch(name, offered)}
    posted = {name for name, one in offered.items() if one.mail.has_diff and not one.mail.is_reply}
    if posted and posted <= late:
        first = offered[min(posted, key=lambda name: offered[name].mail.first_line)].mail
        raise MailError(f"lacks the patches that this answers: {first.title}", first.first_line)
    while True:
        given = [one.copy for name, one in offered.items() if name not in late]
        selected = _by_b4(cache, given, version)
        answers = {name for name in selected if _is_late(name, selected, offered)}
        if not selected and version is not None:
            raise MailError(f"holds no version {version}")
        if not answers:
            return selected
        late |= answers


def _by_b4(cache: Cache, mails: list[bytes], version: int | None) -> dict[str, Tag]:
    with cache.staging() as work:
        log, deadline = cache.log("b4-select"), Deadline(SELECT_S)
        selected = b4.select(mails, version, work, log=log, deadline=deadline)
    found = read_mails(selected) if selected else ()
    return {mail.message_id or "": mail.tag or _ALONE for mail in found}


def _is_late(name: str, selected: Mapping[str, Tag], offered: Mapping[str, _Offered]) -> bool:
    """Return whether a mail without a number answers a series, so is no patch of it."""
    if name not in offered or (tag := offered[name].tag).total != 1:
        return False
    numbered = [
        _version(other, offered)
        for other in selected
        if other in offered and offered[other].tag.total > 1
    ]
    # A patch alone with a higher version is the series' next version.
    return tag.version <= max(numbered, default=0) or _answers_patch(name, offered)


def _answers_patch(name: str, offered: Mapping[str, _Offered]) -> bool:
    """Return whether a mail without a number answers a patch of its version or a later one."""
    tag = offered[name].tag
    # What a reply replies to may be missing.
    answered = [
        mail.about or _ALONE
        for mail in _above(name, offered)
        if mail.about or (mail.has_diff and not mail.is_reply)
    ]
    # A cover letter's only patch answers it, and so may a later version.
    return tag.total == 1 and any(
        above.version >= tag.version and (above.number, above.total) != (0, 1) for above in answered
    )


def _version(name: str, offered: Mapping[str, _Offered]) -> int:
    """Return the version of a patch, or of its cover letter if only that has one."""
    covers = [
        mail.tag.version
        for mail in _above(name, offered)
        if mail.tag and mail.tag.number == 0 and not mail.is_reply
    ]
    return max([offered[name].tag.version, *covers])


def _above(name: str, offered: Mapping[str, _Offered]) -> list[Mail]:
    """Return the mails that a mail answers, the thread's first one first."""
    return [offered[x].mail for x in offered[name].mail.answers if x in offered and x != name]


def _as_read(name: str, read: Tag, offered: Mapping[str, _Offered]) -> Mail:
    """Return a mail if b4 read its subject as we do, with the version of its cover letter."""
    if name not in offered:
        raise MailError(f"b4 selects a mail that is not in the file: <{name}>")
    mail, tag = offered[name].mail, offered[name].tag
    if tag != read:
        raise MailError(
            f"b4 takes patch {tag.number}/{tag.total} of v{tag.version} for "
            f"{read.number}/{read.total} of v{read.version}",
            mail.first_line,
        )
    tag = msgspec.structs.replace(tag, version=_version(name, offered))
    return msgspec.structs.replace(mail, tag=tag)
