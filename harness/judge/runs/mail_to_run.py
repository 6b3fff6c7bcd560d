# SPDX-License-Identifier: GPL-2.0-only
"""Whether a run measured what a mail on the list posts. Pure.

Decided by the patches themselves, the mail that introduced them, or the series and version. A local
mbox is not identified by its version alone.
"""

from harness.project.series import Series
from harness.record.record import Subject
from harness.series.mails.messages import Mail, Tag


def answers(subject: Subject, mail: Mail, series: Series, patch_id: str = "") -> bool:
    """Whether a run of `subject`, one of `series`, measured what a mail posts; False for a reply.

    `patch_id` is of the mail's own diff, if it has one.
    """
    if mail.tag is None or mail.is_reply:
        return False
    if patch_id and patch_id in subject.patch_ids:
        return True
    if subject.message_id and subject.message_id in (mail.message_id, mail.parent):
        return True
    stands = subject.source == f"v{subject.version}" or subject.source.startswith("port ")
    return stands and subject.version == mail.tag.version and _is_posted(mail, mail.tag, series)


def _is_posted(mail: Mail, tag: Tag, series: Series) -> bool:
    """Whether a mail posts the version of the series that its tag names."""
    version = next((v for v in series.versions if v.version == tag.version), None)
    if version is None:
        return False
    if version.cover is not None and version.cover in (mail.message_id, mail.parent):
        return True
    # The cover letter's message-id is not recorded: compare its title.
    title, subject = (" ".join(text.split()).casefold() for text in (series.title, mail.title))
    named = subject == title or subject.endswith(f": {title}")
    return tag.number == 0 and version.patches in (None, tag.total) and named
