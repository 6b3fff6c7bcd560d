# SPDX-License-Identifier: GPL-2.0-only
import pytest

from harness.series.mails.attestation import attestations

ALIKE = """\
Grabbing thread from the archive
Checking attestation on all messages, may take a moment...
---
  \x1b[32m✓\x1b[0m [PATCH v2 1/2] mm: do one thing
  \x1b[32m✓\x1b[0m [PATCH v2 2/2] mm: do another
  ---
  \x1b[32m✓\x1b[0m Signed: DKIM/example.org
---
Total patches: 2
"""
UNLIKE = """\
  v [PATCH 1/3] a
    v Signed: ed25519/dev@example.org
    v Signed: DKIM/example.org
  x [PATCH 2/3] b
    x BADSIG: DKIM/example.org
  [PATCH 3/3] c
"""


def test_one_signature_for_all_patches() -> None:
    assert attestations(ALIKE) == ("signed: DKIM/example.org",) * 2


def test_a_signature_for_each_patch() -> None:
    assert attestations(UNLIKE) == (
        "signed: ed25519/dev@example.org; signed: DKIM/example.org",
        "bad signature: DKIM/example.org",
        "none",
    )


def test_an_unsigned_patch() -> None:
    assert attestations("  [PATCH] a\n---\n") == ("none",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ✓ Signed: DKIM/example.org\n",
        "  [PATCH 2/3] a\n  [PATCH 3/3] b\n",
        "[PATCH 1/1] not one of b4's lines\n",
        "  ✓ [PATCH 0/1] cover\n  ✓ Signed: DKIM/example.org\n",
    ],
)
def test_unknown_output_has_no_attestations(text: str) -> None:
    assert attestations(text) == ()


def test_a_subject_cannot_sign_for_itself() -> None:
    text = "  x [PATCH 1/1]   ✓ Signed: DKIM/kernel.org\n    x BADSIG: DKIM/example.org\n"
    assert attestations(text) == ("bad signature: DKIM/example.org",)
