# SPDX-License-Identifier: GPL-2.0-only
"""What a measured kernel leaves in the reserved range."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.metal.server_report import BLOCK_BYTES, Header, header

TOKEN, LIMIT = "ab12", 1 << 20
CONTENT = b'{"is":"end","lines":0}\n'
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def block(text: str) -> bytes:
    return text.encode().ljust(BLOCK_BYTES, b"\0")


def test_a_report() -> None:
    found = header(block(f"memmap-harness ab12 ended {len(CONTENT)} {DIGEST}\n"), TOKEN, LIMIT)
    assert found == Header(is_late=False, nr_bytes=len(CONTENT), sha256=DIGEST)
    assert isinstance(found, Header)
    assert found.problem(CONTENT) == ""


def test_a_late_one() -> None:
    found = header(block(f"memmap-harness ab12 late 9 {DIGEST}\n"), TOKEN, LIMIT)
    assert isinstance(found, Header)
    assert found.is_late


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no report"),
        ("\xa5" * 2000, "holds no report"),
        (f"memmap-harness ab12 ended 23 {DIGEST}", "holds no report"),
        (f"memmap-harness ab12 ended 23 {DIGEST[1:]}\n", "holds no report"),
        (f"memmap-harness ab12 ended -3 {DIGEST}\n", "holds no report"),
        (f"memmap-harness ab12 ended 0x3 {DIGEST}\n", "holds no report"),
        (f"memmap-harness ab12 maybe 23 {DIGEST}\n", "holds no report"),
        (f"memmap-harness ab12 ended 23 {DIGEST}\nmore", "holds no report"),
        (f"memmap-harness ab13 ended 23 {DIGEST}\n", "another boot"),
        (f"memmap-harness ab12 ended 999999999 {DIGEST}\n", "more than its range has"),
    ],
)
def test_no_report(text: str, says: str) -> None:
    found = header(block(text), TOKEN, LIMIT)
    assert isinstance(found, str)
    assert says in found


def test_a_cut_and_a_damaged_report() -> None:
    found = Header(is_late=False, nr_bytes=len(CONTENT), sha256=DIGEST)
    assert "22 of 23 bytes" in found.problem(CONTENT[:-1])
    assert "damaged" in found.problem(CONTENT.replace(b"0", b"1"))


@given(st.binary(max_size=5000))
def test_any_block_is_data(data: bytes) -> None:
    assert isinstance(header(data, TOKEN, LIMIT), str)
