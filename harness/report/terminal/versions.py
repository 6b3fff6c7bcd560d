# SPDX-License-Identifier: GPL-2.0-only
"""The comparison of two versions of a series for a terminal and for programs; pure."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from harness.git.range_diff import Pair
from harness.judge.runs.versions import Became, Moved, Rename, Vouched


class VersionsSummary(msgspec.Struct, frozen=True):
    """A comparison of two versions, named `old` and `new`."""

    old: str
    new: str
    became: tuple[Became, ...]
    renames: tuple[Rename, ...]
    vouched: tuple[Vouched, ...]
    moved: tuple[Moved, ...]


def lines(found: VersionsSummary, *, whole: bool) -> Iterator[str]:
    """Yield the lines of the report, with `whole` also the text of the range-diff."""
    yield f"{found.old} against {found.new}"
    for one in found.became:
        yield from pair_lines(one.pair, "" if one.change == "same" else one.reason, whole=whole)
    yield from _part("renamed", [f"{r.old} -> {r.new} ({r.lines} lines)" for r in found.renames])
    differ = [_figure(row) for row in found.moved if row.by != 0]
    yield from _part("claimed figures that differ", differ)
    if found.moved and not differ:
        yield "both claim the same figures"
    yield from _part("trailers of the earlier version", [_trailer(v) for v in found.vouched])


def document(found: VersionsSummary) -> dict[str, Any]:
    """Return the comparison as `--json` prints it."""
    return {
        "old": found.old,
        "new": found.new,
        "patches": [
            {
                **msgspec.to_builtins(one.pair),
                "change": one.change,
                "reason": one.reason,
            }
            for one in found.became
        ],
        "renamed": msgspec.to_builtins(found.renames),
        "figures": [{**msgspec.to_builtins(row), "by": row.by} for row in found.moved],
        "trailers": [
            {
                **msgspec.to_builtins(v.trailer),
                "counts": v.counts,
                "carried": v.is_given,
                "advice": v.advice,
                "reason": v.reason,
            }
            for v in found.vouched
        ],
    }


def pair_lines(pair: Pair, reason: str = "", *, whole: bool = True) -> Iterator[str]:
    """Yield a line on a pair of patches, and with `whole` the difference of the two."""
    before, after = (str(n) if n is not None else "-" for n in (pair.before, pair.after))
    text = f"{pair.subject}: {reason}" if reason else pair.subject
    yield f"  {before:>3} {pair.relation} {after:>3}  {text}"
    if whole and pair.text:
        yield from (f"          {line}" for line in pair.text.split("\n"))


def _part(title: str, rows: Sequence[str]) -> Iterator[str]:
    if rows:
        yield title
        yield from (f"  {row}" for row in rows)


def _figure(row: Moved) -> str:
    old, new = ("none" if x is None else f"{x:g}" for x in (row.old, row.new))
    by = "" if row.by is None else f" ({row.by:+.4g})"
    return f"{row.metric} {row.what}: {old} -> {new}{by}"


def _trailer(v: Vouched) -> str:
    where = f"patch {v.trailer.patch}" if v.trailer.patch else "the series"
    return f"{v.trailer.kind} of {where} by {v.trailer.who}: {v.advice} ({v.reason})"
