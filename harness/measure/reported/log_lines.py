# SPDX-License-Identifier: GPL-2.0-only
"""Kernel messages in logs of other machines, without what each log puts in front of them. Pure.

Logs come from dmesg, journalctl, syslog, /dev/kmsg and serial consoles. Nothing in a log is
trusted: a line is cut to a fixed length, and one that cannot be decoded is a message like others.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

#: Four times the longest record that printk keeps, like harness.guest.console.console.
MAX_LINE = 4096
#: A journal's entry has fifty fields beside the message.
_MAX_ENTRY = 16 * MAX_LINE

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f]")
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_DATE = rf"\d{{4}}-\d\d-\d\d[T ]{_CLOCK}(?:Z| ?[+-]\d\d:?\d\d)?"
_MONTH = r"[A-Z][a-z]{2} [ \d]?\d"
#: Removed until none is in front: loggers prepend to each other's prefixes.
_PREFIXES = tuple(
    re.compile(text)
    for text in (
        r"(?:> ?)+",  # quoted in a mail
        r"<\d{1,4}>(?:1 )?",  # dmesg --raw, a console, RFC 5424
        r"\[ *(?P<s>\d{1,10}\.\d{3,9})(?: *<[ +]*\d+\.\d+>)?\] ?",  # printk.time, dmesg -d
        r"\[ *[TC]\d{1,10}\] ?",  # CONFIG_PRINTK_CALLER
        rf"\[(?:{_DATE}|{_CLOCK}|[A-Z][a-z]{{2}} {_MONTH} {_CLOCK} \d{{4}})\] ?",  # dmesg -T
        r"\[(?:[A-Z][a-z]{2} ?\d{1,2} \d\d:\d\d| *[+-]\d+\.\d+)\] ?",  # dmesg --reltime
        r"\[ *<[ +]*\d+\.\d+>\] ?",  # dmesg --notime -d
        rf"(?:[A-Z][a-z]{{2}} )?{_DATE}(?: [A-Z]{{3,5}})?(?: |$)",  # dmesg and journalctl, iso
        rf"(?:[A-Z][a-z]{{2}} )?{_MONTH} {_CLOCK}(?: \d{{4}})? ",  # journalctl -o short
        r"\d{9,11}\.\d{3,6} ",  # journalctl -o short-unix
        rf"{_CLOCK}:? ",  # terminals
        r"[a-z]{3,8} *: ?[a-z]{3,6} *: ?",  # dmesg --decode
        r"(?:[\w.:-]{1,255} )?kernel(?:\[\d{1,10}\])?: ?",  # syslog, the journal
        r"[\w.-]{1,255} kernel - - (?:- |\[[^\]]*\] )?",  # RFC 5424
    )
)
_MOST_PREFIXES = 10
_KMSG = re.compile(r"\d{1,4},\d{1,20},(\d{1,16}),[^;]{1,64};")
_KMSG_FIELD = re.compile(r" [A-Z_]{1,32}=")
_DMESG_JSON = re.compile(r'\s*"(time|msg)": *("(?:[^"\\]|\\.)*"|[\d.]+),?')
_EXPORTED = re.compile(r"(MESSAGE|_BOOT_ID|(?:_SOURCE)?_+MONOTONIC_TIMESTAMP)=(.*)")
_BOOT_RULE = re.compile(r"-- (?:Boot ([0-9a-f]{8,32}) --|Reboot --)$")


class KernelMessage(msgspec.Struct, frozen=True):
    """A message of the kernel, with its line in the file.

    `at_us` is the time since boot, None where the log has none. `boot` differs where the log says
    that another boot begins.
    """

    line: int
    text: str
    at_us: int | None = None
    boot: str = ""


def messages(text: str) -> Iterator[KernelMessage]:
    """Yield the messages of a log in order; those of other programs have their names in front."""
    reader = _LogReader()
    for number, raw in enumerate(text.split("\n"), 1):
        if raw.startswith("{"):
            yield from _of_journal(number, raw[:_MAX_ENTRY])
        else:
            yield from reader.read(number, _ANSI.sub("", raw[:MAX_LINE]))


class _LogReader:
    """Reads lines of text in order: some forms have boot and time on lines of their own."""

    def __init__(self) -> None:
        self._boot = ""
        self._rules = 0
        self._at_us: int | None = None

    def read(self, number: int, line: str) -> Iterator[KernelMessage]:
        if rule := _BOOT_RULE.match(line):
            self._rules += 1
            self._boot = rule[1] or f"boot {self._rules}"
        elif found := _KMSG.match(line):
            yield KernelMessage(number, line[found.end() :].rstrip(), int(found[1]), self._boot)
        elif pair := _DMESG_JSON.fullmatch(line):
            yield from self._of_dmesg(number, pair[1], _decoded(pair[2]))
        elif exported := _EXPORTED.match(line):
            yield from self._of_export(number, exported[1], exported[2])
        elif not _KMSG_FIELD.match(line):
            yield _plain(number, line, self._boot)

    def _of_dmesg(self, number: int, key: str, value: Any) -> Iterator[KernelMessage]:
        """Read a field of `dmesg --json`: the time is above the message."""
        if key == "time":
            self._at_us = int(value * 1e6) if isinstance(value, float) else None
        elif isinstance(value, str):
            yield KernelMessage(number, value, self._at_us, self._boot)

    def _of_export(self, number: int, key: str, value: str) -> Iterator[KernelMessage]:
        """Read a field of `journalctl --output=export`: the message is below the others."""
        if key == "MESSAGE":
            yield KernelMessage(number, value, self._at_us, self._boot)
        elif key == "_BOOT_ID":
            self._boot = value
        else:
            self._at_us = _time(value)


def _plain(number: int, line: str, boot: str) -> KernelMessage:
    at_us = None
    for _ in range(_MOST_PREFIXES):
        found = next((m for p in _PREFIXES if (m := p.match(line)) and m.end()), None)
        if found is None:
            break
        if (seconds := found.groupdict().get("s")) and at_us is None:
            whole, _, part = seconds.partition(".")
            at_us = int(whole) * 1_000_000 + int(part.ljust(6, "0")[:6])
        line = line[found.end() :]
    return KernelMessage(number, line.rstrip(), at_us, boot)


def _of_journal(number: int, line: str) -> Iterator[KernelMessage]:
    """Yield the message of a journal's entry in JSON; other programs' entries have none."""
    entry = _decoded(line)
    if not isinstance(entry, dict):
        yield KernelMessage(number, line)
        return
    if entry.get("_TRANSPORT", "kernel") != "kernel":
        return
    text = entry.get("MESSAGE")
    if isinstance(text, list):  # not UTF-8
        text = bytes(n for n in text if isinstance(n, int) and 0 <= n < 256).decode(
            "utf-8", "replace"
        )
    if isinstance(text, str):
        times = (entry.get(f"{name}MONOTONIC_TIMESTAMP") for name in ("_SOURCE_", "__"))
        at_us = next((us for said in times if (us := _time(said)) is not None), None)
        yield KernelMessage(number, text[:MAX_LINE], at_us, str(entry.get("_BOOT_ID", ""))[:64])


def _time(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else None


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
