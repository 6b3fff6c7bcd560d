# SPDX-License-Identifier: GPL-2.0-only
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.trees.apt_sources import deb822, debian, one_line

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEB822 = f"""\
# Comment: in the way

Types: deb deb-src
URIs: http://one.example/debian/
# a comment inside
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main
"""


def uris(*entries: object) -> list[str]:
    return [archive.uri for archive in debian(entries)]  # type: ignore[arg-type]


def test_both_formats_are_read() -> None:
    (archive,) = debian(deb822(DEB822))
    assert (archive.uri, archive.signed_by) == ("http://one.example/debian/", KEYRING)
    line = f"deb [arch=amd64 signed-by={KEYRING}] http://one.example/debian sid main # x\n"
    (archive,) = debian(one_line(line))
    assert (archive.uri, archive.signed_by) == ("http://one.example/debian", KEYRING)


@pytest.mark.parametrize(
    "line",
    [
        "# deb http://one.example/debian bookworm main",
        "deb-src http://one.example/debian bookworm main",
        "deb http://security.example/debian-security bookworm-security main",
        "deb http://snapshot.example/archive/debian/20250520T000000Z bookworm main",
        "deb [signed-by=/etc/apt/keyrings/x.gpg] https://pkg.example/x/debian bookworm main",
        "deb https://deb.example/node_20.x nodistro main",
        "deb https://download.example/linux/debian bookworm stable",
        "deb http://archive.example/ubuntu noble main",
        "deb cdrom:[Debian]/ bookworm main",
        "deb http://one.example/debian",
        "deb",
        "",
    ],
)
def test_what_is_not_debians_own_archive_is_left_out(line: str) -> None:
    assert uris(*one_line(line)) == []


@pytest.mark.parametrize("line", ["Enabled: no", "Types: deb-src", "Components: contrib"])
def test_entries_that_are_off_are_left_out(line: str) -> None:
    key = line.partition(":")[0]
    lines = [other for other in DEB822.splitlines() if not other.startswith(key)]
    assert uris(*deb822("\n".join([line, *lines]).replace("\n\n", f"\n{line}\n\n"))) == []


def test_an_archive_is_named_once_and_the_likeliest_first() -> None:
    text = (
        "deb http://proxy.example/cached bookworm main\n"
        "deb http://one.example/debian bookworm main\n"
        "deb http://one.example/debian/ bookworm-updates main\n"
    )
    assert uris(*one_line(text)) == [
        "http://one.example/debian",
        "http://proxy.example/cached",
    ]


@given(st.text("deb [=]htp:/.sidman\nTypesURIsSuitesComponents#\t", max_size=300))
def test_any_text_is_read(text: str) -> None:
    debian([*deb822(text), *one_line(text)])
