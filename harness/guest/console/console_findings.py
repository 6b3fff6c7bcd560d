# SPDX-License-Identifier: GPL-2.0-only
"""Finds what no healthy kernel prints on a guest's console, with the whole splat. Pure."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from harness.guest.console.console import is_marker, message
from harness.record.record import Finding

#: A splat without end line goes on to the agent's next marker, or for this many lines.
MAX_SPLAT_LINES = 300
MAX_WORDS_LINES = 5
#: One is enough to discard a boot.
MAX_FINDINGS = 100


class _FindingKind(NamedTuple):
    """A kind of splat: `start` matches the line that names it, `lead` the line above that."""

    name: str
    start: re.Pattern[str]
    end: re.Pattern[str] | None
    lead: re.Pattern[str] | None


def _kind(name: str, start: str, end: str = "", lead: str = "") -> _FindingKind:
    return _FindingKind(
        name,
        re.compile(start),
        re.compile(end) if end else None,
        re.compile(lead) if lead else None,
    )


_CUT_HERE = r"-+\[ cut here \]-+"
_END_TRACE = r"---\[ end trace"
_RULER = r"={20,}$"

#: "cut here" and "end trace" lines around a splat of no other kind.
_SPLAT = _kind("splat", f"{_CUT_HERE}|{_END_TRACE}", _END_TRACE)

#: The first that matches a line names it: specific kinds stand before general ones.
_KINDS = (
    _kind("panic", r"Kernel panic - not syncing", r"---\[ end Kernel panic"),
    _kind("kasan", r"BUG: KASAN:", _RULER, _RULER),
    _kind("kmsan", r"BUG: KMSAN:", _RULER, _RULER),
    _kind("kfence", r"BUG: KFENCE:", _RULER, _RULER),
    _kind("kcsan", r"BUG: KCSAN:", _RULER, _RULER),
    _kind("ubsan", r"UBSAN: ", _END_TRACE, f"{_CUT_HERE}|{_RULER}"),
    _kind("soft lockup", r"BUG: soft lockup"),
    _kind("hard lockup", r"(?:BUG: hard lockup|detected hard LOCKUP)"),
    _kind("rcu stall", r"rcu: INFO: .* (?:stall|stalls)\b|rcu: .*kthread starved"),
    _kind("hung task", r"INFO: task .{1,64} blocked (?:for more than|in I/O wait)"),
    _kind("bad page state", r"BUG: Bad (?:page|rss)|Bad page state|Bad swap file entry"),
    # What kernel/locking/lockdep.c of v7.2 prints; older ones print some of it as `INFO: …`.
    _kind(
        "lockdep",
        r"(?:WARNING|INFO): (?:possible (?:circular|recursive|irq lock)|inconsistent lock"
        r"|suspicious RCU|bad unlock|bad contention|held lock|lock held|[Nn]ested lock"
        r"|chain_key collision|\S+-safe -> \S+-unsafe lock|.{1,64} still has locks held)"
        r"|BUG: (?:Invalid wait context|MAX_[A-Z_]+ too low|looking up invalid subclass"
        r"|key \S+ has not been registered)"
        r"|INFO: trying to register non-static key|^CPU \d+ left hardirqs enabled",
        "",
        _RULER,
    ),
    _kind("bug", r"kernel BUG at ", _END_TRACE, _CUT_HERE),
    _kind(
        "oops",
        r"BUG: unable to handle|BUG: kernel NULL pointer|(?:Oops|Internal error): |"
        r"(?:^|: )general protection fault|divide error: |invalid opcode: |"
        r"stack segment: |double fault: ",
        _END_TRACE,
    ),
    # Up to 6.x `WARNING: CPU: 0 PID: 1 at mm/x.c:1`, later without CPU and PID. With
    # CONFIG_DEBUG_BUGVERBOSE_DETAILED the condition precedes the file; without
    # CONFIG_DEBUG_BUGVERBOSE there is no file.
    _kind(
        "warn",
        r"WARNING: (?:CPU: \d+ PID: \d+ at )?(?:\[.*\] )?(?:at )?"
        r"(?:\S+:\d+|\S+\+0x[0-9a-f]|0x[0-9a-f]{8})"
        r"|: detected (?:field-spanning|buffer overflow)|DEBUG_LOCKS_WARN_ON\(",
        _END_TRACE,
        _CUT_HERE,
    ),
    _kind(
        "out of memory",
        r"invoked oom-killer: |[Oo]ut of memory(?:: Killed process| and no killable)"
        r"|oom-kill:constraint=",
        r"Killed process \d|no killable processes",
    ),
    _kind("messages dropped", r"\*\* \d+ printk messages dropped|^printk: dropped \d+ messages"),
    _kind("bug", r"\bBUG: "),
    _SPLAT,
)


#: Words of all kinds, as a fast filter: a flooded console has millions of lines.
_HINT = re.compile(
    r"BUG|panic|UBSAN|LOCKUP|rcu: |INFO: |Bad |WARNING: |Oops|Internal error|general protection"
    r"|divide error|invalid opcode|stack segment|double fault|cut here|end trace|: detected "
    r"|DEBUG_LOCKS|left hardirqs|oom-kill|ut of memory|dropped"
)


def findings(text: str) -> tuple[Finding, ...]:
    """Return the splats of a console in order; lines count from 1."""
    lines = text.split("\n")
    found: list[Finding] = []
    end = 0
    for number in _hinted(text):
        kind = _starts(lines[number]) if number >= end else None
        if kind is None or _leads(lines, number, kind):
            continue
        first = _first(lines, number, kind, end)
        end = _end(lines, number, kind)
        splat = "\n".join(line.rstrip("\r") for line in lines[first:end])
        found.append(Finding(kind=kind.name, line=number + 1, splat=splat))
        if len(found) == MAX_FINDINGS:
            break
    return tuple(found)


def _hinted(text: str) -> Iterator[int]:
    """Yield the index of each line that may begin a splat."""
    number = at = 0
    for match in _HINT.finditer(text):
        if match.start() >= at:
            number += text.count("\n", at, match.start())
            yield number
            at = match.start()
            following = text.find("\n", at)
            if following < 0:
                return
            number += 1
            at = following + 1


def _starts(line: str) -> _FindingKind | None:
    text = message(line)
    return next((kind for kind in _KINDS if kind.start.search(text)), None)


def _leads(lines: list[str], number: int, kind: _FindingKind) -> bool:
    """Return whether a line is the "cut here" above a finding that follows."""
    if kind is not _SPLAT:
        return False
    line = message(lines[number])
    below = map(_starts, lines[number + 1 : number + 1 + MAX_WORDS_LINES])
    return any(k is not None and k.lead is not None and k.lead.search(line) for k in below)


def _first(lines: list[str], number: int, kind: _FindingKind, after: int) -> int:
    """Return the index of the ruler or "cut here" above; WARN() prints its message between."""
    for above in range(number - 1, max(after, number - MAX_WORDS_LINES) - 1, -1):
        if kind.lead is not None and kind.lead.search(message(lines[above])):
            return above
    return number


def _end(lines: list[str], number: int, kind: _FindingKind) -> int:
    """Return the index after the splat's last line."""
    last = min(len(lines), number + MAX_SPLAT_LINES)
    for index in range(number, last):
        text = message(lines[index])
        if kind.end is not None and kind.end.search(text):
            return index + 1
        begun = _starts(lines[index])
        if index > number and begun is not None and not _belongs(kind, begun, text):
            return index
        if is_marker(text):
            return index
    return last


def _belongs(splat: _FindingKind, other: _FindingKind, text: str) -> bool:
    """Return whether a line of kind `other` is part of a splat: some have two such lines."""
    if other is _SPLAT:
        return re.search(_END_TRACE, text) is not None
    return splat.end is not None and (other is splat or other.name == "oops")
