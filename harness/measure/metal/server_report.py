# SPDX-License-Identifier: GPL-2.0-only
"""Parses what a measured kernel left in the reserved range (guests/agent/metal.sh). Pure."""

import hashlib
import re

import msgspec

BLOCK_BYTES = 4096
_HEADER = re.compile(rb"memmap-harness ([0-9a-f]+) (ended|late) (\d{1,9}) ([0-9a-f]{64})\n\0*")


class Header(msgspec.Struct, frozen=True):
    """The first block: the agent `ended`, or was too `late`; size and digest of the report."""

    is_late: bool
    nr_bytes: int
    sha256: str

    def problem(self, content: bytes) -> str:
        """Return why this content is not the report; empty if it is."""
        if len(content) != self.nr_bytes:
            return f"the report has {len(content)} of {self.nr_bytes} bytes"
        if hashlib.sha256(content).hexdigest() != self.sha256:
            return "the report is damaged: its SHA-256 is not the one that it was stored with"
        return ""


def header(block: bytes, token: str, limit: int) -> Header | str:
    """Return the header of a report of at most `limit` bytes, or what is wrong, in words."""
    match = _HEADER.fullmatch(block)
    if match is None:
        return "the reserved range holds no report: nothing was stored, or it was overwritten"
    if match[1] != token.encode():
        return "the reserved range holds the report of another boot"
    if int(match[3]) > limit:
        return f"the report claims {int(match[3])} bytes, more than its range has"
    return Header(match[2] == b"late", int(match[3]), match[4].decode())
