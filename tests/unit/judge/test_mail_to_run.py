# SPDX-License-Identifier: GPL-2.0-only
"""A mail matches runs of its own patches, and no others."""

import datetime

import msgspec
import pytest

from harness.judge.runs.mail_to_run import answers
from harness.project.series import Series, Version
from harness.record.record import Subject
from harness.series.mails.messages import Mail, read_mails
from tests.unit.builders import record

replace = msgspec.structs.replace
DAY = datetime.date(2026, 1, 1)
SERIES = Series(
    title="speed up the memmap",
    function="f",
    object="mm/mm_init.o",
    versions=(
        Version(1, "v7.1", date=DAY, patches=4),
        Version(2, "v7.1", date=DAY, patches=7, cover="two@example.org"),
        Version(3, "v7.1"),
    ),
    port_of=2,
)
PORT = record().subject
POSTED = replace(PORT, source="v2")
MBOX = replace(PORT, source="mbox mine.mbox")


def mail(
    subject: str = "[PATCH v2 0/7] mm: Speed up  the memmap",
    message_id: str = "elsewhere@example.org",
    parent: str = "",
) -> Mail:
    text = f"From: A <a@b>\nSubject: {subject}\nMessage-ID: <{message_id}>\n"
    return read_mails(f"{text}In-Reply-To: <{parent}>\n\nbody\n".encode())[0]


COVER = mail()


@pytest.mark.parametrize("subject", [PORT, POSTED])
def test_a_port_and_the_posted_patches_match_their_version(subject: Subject) -> None:
    assert answers(subject, COVER, SERIES)
    assert answers(subject, mail("[PATCH v2 0/7] anything", "two@example.org"), SERIES)
    assert answers(subject, mail("[PATCH v2 3/7] mm: x", parent="two@example.org"), SERIES)


@pytest.mark.parametrize(
    "other",
    [
        mail("[PATCH v3 0/8] mm: speed up the memmap"),
        # Another version, also where it answers this one's cover letter.
        mail("[PATCH v3 0/8] mm: x", "three@example.org", "two@example.org"),
        mail("[PATCH v9 0/7] mm: speed up the memmap"),
        mail("[PATCH v2 0/8] mm: speed up the memmap"),
        mail("[PATCH v2 0/7] mm: speed up the memmap, somehow"),
        mail("[PATCH v2 0/7] unspeed up the memmap"),
        mail("[PATCH v2 1/7] mm: speed up the memmap"),  # a patch that is called like the series
        mail("Re: [PATCH v2 0/7] mm: speed up the memmap", parent="two@example.org"),
        mail("mm: speed up the memmap", "two@example.org"),
        *(read_mails(raw)[0] for raw in (b"", b"\xff\xfe\x00", b"\n\n[PATCH 0/1] x")),
    ],
    ids=lambda mail: mail.title,
)
def test_another_series_or_version_does_not_match(other: Mail) -> None:
    assert not answers(PORT, other, SERIES)


def test_an_mbox_matches_its_own_mails_only() -> None:
    assert not answers(MBOX, COVER, SERIES)
    patch = mail("[PATCH 1/7] mm: x", parent="elsewhere@example.org")
    known = replace(MBOX, message_id="elsewhere@example.org")
    assert answers(known, COVER, SERIES)
    assert answers(known, patch, SERIES)
    assert answers(MBOX, patch, SERIES, patch_id=MBOX.patch_ids[0])
    assert not answers(MBOX, patch, SERIES)
    assert not answers(MBOX, patch, SERIES, patch_id="unknown")
