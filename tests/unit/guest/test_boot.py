# SPDX-License-Identifier: GPL-2.0-only
"""How the end of a boot is described."""

import pytest

from harness.guest.boot import EndedBoot

RESET = "; the guest was reset without a message, as by a triple fault"


def ended(console: str, *, stopped: str | None = None, killed: str = "") -> str:
    return EndedBoot(("qemu",), stopped, 1.0, console, b"", killed).last_words


@pytest.mark.parametrize(
    ("console", "last"),
    [
        ("", "nothing was printed"),
        ("\n\n", "nothing was printed"),
        ("[    0.000000] Linux version 7.2.13", "last: Linux version 7.2.13"),
        ("[    1.5] a\n\x1b[0m[    2.000000] x86/fpu: b\r\n", "last: x86/fpu: b"),
    ],
)
def test_a_guest_that_ends_without_a_word_was_reset(console: str, last: str) -> None:
    assert ended(console) == last + RESET


@pytest.mark.parametrize(
    "console",
    [
        "[    9.0] x\n[    9.1] reboot: Power down",
        "[    9.0] reboot: Restarting system\n[    9.1] reboot: machine restart\n[    9.2] late",
        "[    9.0] x\nqemu-system-x86_64: failed to initialize kvm: Device or resource busy",
        "bwrap: Can't find source path /x",
    ],
)
def test_other_ends_are_explained_by_what_was_printed(console: str) -> None:
    assert "reset" not in ended(console)


def test_a_guest_that_was_ended_was_not_reset() -> None:
    assert ended("", stopped="not over within 5 s") == "nothing was printed"
    assert ended("", killed="was killed by SIGKILL").endswith("; QEMU was killed by SIGKILL")
