# SPDX-License-Identifier: GPL-2.0-only
import re

from hypothesis import given
from hypothesis import strategies as st

from harness.series.mails.messages import read_mails
from harness.series.mails.trailers import Trailer, trailers

COVER = """\
From a Thu Jan  1 00:00:00 2026
From: A <a@example.org>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH v4 0/2] mm: things
Message-ID: <cover@example.org>

Two things.
"""
PATCH = """\
From a Thu Jan  1 00:00:00 2026
From: A <a@example.org>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH v{version} {number}/2] mm: thing {number}
Message-ID: <p{version}-{number}@example.org>
In-Reply-To: <cover@example.org>

Because.

{trailer}
---
 f | 2 +-

diff --git a/f b/f
--- a/f
+++ b/f
@@ -1,1 +1,1 @@
-Tested-by: The Old Line <old@example.org>
+Tested-by: The New Line <new@example.org>
"""
REPLY = """\
From b Thu Jan  1 00:00:00 2026
From: B <b@example.org>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: Re: [PATCH v4 2/2] mm: thing 2
Message-ID: <{me}@example.org>
In-Reply-To: <{parent}@example.org>
References: <cover@example.org> <{parent}@example.org>

> Reviewed-by: Quoted Person <quoted@example.org>
{text}
"""


def found(*mails: str, version: int = 4) -> tuple[Trailer, ...]:
    return trailers(read_mails("\n".join(mails).encode()), version)


def patch(number: int, trailer: str = "", version: int = 4) -> str:
    return PATCH.format(number=number, trailer=trailer, version=version)


def test_a_patchs_own_trailers_are_those_above_its_diff() -> None:
    assert found(patch(1, "Tested-by: C <c@example.org>\nSigned-off-by: A <a@example.org>")) == (
        Trailer("Tested-by", "C <c@example.org>", 1),
    )


def test_patches_without_a_message_id_have_trailers_of_their_own() -> None:
    mails = [patch(n, f"Acked-by: C{n} <c@example.org>") for n in (1, 2)]
    mails = [re.sub("Message-ID: .*\n", "", mail) for mail in mails]
    assert found(*mails) == (
        Trailer("Acked-by", "C1 <c@example.org>", 1),
        Trailer("Acked-by", "C2 <c@example.org>", 2),
    )


def test_a_reply_gives_its_trailer_to_what_it_answers() -> None:
    mails = [COVER, patch(1), patch(2)]
    mails.append(REPLY.format(me="r1", parent="p4-2", text="Tested-by: B <b@example.org>"))
    mails.append(
        REPLY.format(me="r2", parent="cover", text="  acked-by:  D   E <d@example.org> # mm")
    )
    assert found(*mails) == (
        Trailer("Tested-by", "B <b@example.org>", 2),
        Trailer("Acked-by", "D E <d@example.org>", 0),
    )


def test_an_answer_to_an_answer_is_about_the_same_patch() -> None:
    mails = [
        patch(2),
        REPLY.format(me="r1", parent="p4-2", text="Why?"),
        REPLY.format(me="r2", parent="r1", text="Reviewed-by: B <b@example.org>").replace(
            "References: <cover@example.org>", "References: <cover@example.org> <p4-2@example.org>"
        ),
    ]
    assert found(*mails) == (Trailer("Reviewed-by", "B <b@example.org>", 2),)


def test_another_versions_mails_and_the_replies_to_them_do_not_count() -> None:
    mails = [
        patch(1, "Tested-by: C <c@example.org>", version=3),
        patch(1),
        REPLY.format(me="r1", parent="p3-1", text="Tested-by: B <b@example.org>"),
    ]
    assert found(*mails) == ()
    assert len(found(*mails, version=3)) == 2


def test_other_lines_are_not_trailers() -> None:
    text = "Tested-by: C\nI Tested-by: C <c@x.org>\nTested-by: <>\nTestedby: C <c@x.org>"
    assert found(patch(1, text)) == ()


@given(st.binary(max_size=300))
def test_any_bytes_have_trailers_or_none(raw: bytes) -> None:
    mail = patch(1, "Tested-by: C <c@example.org>").encode()
    for text in (raw, mail + raw, raw + b"\n" + mail):
        assert all(t.kind == "Tested-by" for t in trailers(read_mails(text), 4)[:1])
