# SPDX-License-Identifier: GPL-2.0-only
"""Parses the address of a server, `ssh://root@host:port`. Pure."""

import re

import msgspec

_ADDRESS = re.compile(
    r"ssh://root@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252})(?::(?P<port>\d{1,5}))?/?"
)
EXPECTED = "ssh://root@HOST or ssh://root@HOST:PORT"


class Address(msgspec.Struct, frozen=True):
    """A host and its port, None for the one that ssh's configuration names."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        """Return the address as a user writes it."""
        return f"ssh://root@{self.host}" + (f":{self.port}" if self.port else "")


def parse(text: str) -> Address:
    """Return the address. Raises ValueError unless it is root's."""
    match = _ADDRESS.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else None
    if match is None or (port is not None and not 0 < port < 65536):
        raise ValueError(f"{text!r} is not the address of a server; expected {EXPECTED}")
    return Address(match["host"], port)
