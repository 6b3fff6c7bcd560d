# SPDX-License-Identifier: GPL-2.0-only
"""Addresses of servers."""

import pytest

from harness.measure.metal.address import Address, parse


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ssh://root@lab7", Address("lab7")),
        ("ssh://root@lab7.example.org:2222", Address("lab7.example.org", 2222)),
        ("ssh://root@192.0.2.7/", Address("192.0.2.7")),
    ],
)
def test_addresses(text: str, found: Address) -> None:
    assert parse(text) == found
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", "lab7", "root@lab7", "ssh://lab7", "ssh://me@lab7", "http://root@lab7"),
        *("ssh://root@", "ssh://root@-oProxyCommand=id", "ssh://root@lab7:0", "ssh://root@a b"),
        *("ssh://root@lab7:65536", "ssh://root@lab7/folder", "ssh://root@lab7;id", "ssh://root@\n"),
    ],
)
def test_texts_that_are_not_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="expected ssh://root@HOST"):
        parse(text)
