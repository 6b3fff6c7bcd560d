# SPDX-License-Identifier: GPL-2.0-only
"""Whether a run had on trial what a mail on the list posts.

By the surest sign there is: the patches themselves, the mail that introduced them, or the series
and version that they stand for. An mbox of the user's own stands for nothing by its version alone.
"""

from harness.project.series import Series
from harness.record.record import Subject
from harness.series.messages import Mail, Tag


def answers(subject: Subject, mail: Mail, series: Series, patch_id: str = "") -> bool:
    """Whether a run of `subject`, one of `series`, has something to say of a mail.

    `patch_id` is of the mail's own diff, where it has one. Of a reply there is nothing to say.
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
    """Whether a mail posts the version of a series that it says it is of."""
    version = next((v for v in series.versions if v.version == tag.version), None)
    if version is None:
        return False
    if version.cover is not None and version.cover in (mail.message_id, mail.parent):
        return True
    # A cover letter that nobody noted the message-id of: by its own words.
    title, subject = (" ".join(text.split()).casefold() for text in (series.title, mail.title))
    named = subject == title or subject.endswith(f": {title}")
    return tag.number == 0 and version.patches in (None, tag.total) and named
