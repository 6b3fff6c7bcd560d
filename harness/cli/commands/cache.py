# SPDX-License-Identifier: GPL-2.0-only
"""`harness cache`: show and prune the cache."""

import time
from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.cli.options import json_option, print_json
from harness.cli.progress import watching
from harness.errors import InputError
from harness.host.cache import Cache

if TYPE_CHECKING:
    from harness.doctor.prune import CacheEntry, PruneRule


@click.group("cache", invoke_without_command=True)
@json_option
@click.pass_context
def cache_group(context: click.Context, as_json: bool) -> None:
    """Show what is cached, by kind, with size and last use.

    \b
    Examples:
      harness cache
      harness cache --json
      harness cache prune --limit 20G
    """
    if context.invoked_subcommand is not None:
        return
    from harness.doctor.prune import entries

    cache = Cache.default()
    found = entries(cache)
    if as_json:
        print_json({"folder": str(cache.root), "entries": found})
        return
    _show(found)
    click.echo(f"in {printable(str(cache.root))}")


@cache_group.command(short_help="Remove old entries, or shrink the cache to a size.")
@click.option(
    "--limit",
    metavar="SIZE",
    help="Shrink the cache to this size (20G), least recently used first.",
)
@click.option("--older-than", metavar="AGE", help="Remove what was not used for this long (30d).")
@click.option("--all", "everything", is_flag=True, help="Remove everything that is not in use.")
@json_option
def prune(limit: str | None, older_than: str | None, everything: bool, as_json: bool) -> None:
    """Remove entries from the cache; they are made or downloaded again when needed.

    Entries that a running harness uses stay. Run records are not in the cache.

    \b
    Examples:
      harness cache prune --limit 20G
      harness cache prune --older-than 30d
      harness cache prune --all
    """
    from harness.doctor import prune as stage
    from harness.host.units import format_bytes

    rule = _rule(limit, older_than, everything=everything)
    with watching() as listen:
        done = stage.prune(Cache.default(), rule, listen)
    if as_json:
        print_json(done)
        return
    freed = format_bytes(sum(entry.nr_bytes for entry in done.gone))
    click.echo(f"{len(done.gone)} removed, {freed}; {format_bytes(done.left_bytes)} left")
    if done.held:
        click.echo(f"{len(done.held)} in use by a running harness, not removed")


def _rule(limit: str | None, older_than: str | None, *, everything: bool) -> "PruneRule":
    from harness.doctor.prune import PruneRule
    from harness.host.units import parse_duration, parse_size

    if sum((limit is not None, older_than is not None, everything)) != 1:
        raise InputError(
            "does not say what to remove",
            where="harness cache prune",
            expected="one of --limit, --older-than, --all",
        )
    if limit is not None:
        try:
            return PruneRule(limit_bytes=parse_size(limit))
        except ValueError as error:
            raise InputError(str(error), where="--limit") from error
    if older_than is not None:
        try:
            return PruneRule(older_s=parse_duration(older_than))
        except ValueError as error:
            raise InputError(str(error), where="--older-than") from error
    return PruneRule(limit_bytes=-1)


def _show(found: "tuple[CacheEntry, ...]") -> None:
    from harness.host.units import format_bytes

    now = time.time()
    by_kind: dict[str, list[CacheEntry]] = {}
    for entry in found:
        by_kind.setdefault(entry.kind, []).append(entry)
    sizes = {kind: sum(e.nr_bytes for e in group) for kind, group in by_kind.items()}
    for kind in sorted(by_kind, key=lambda kind: -sizes[kind]):
        group = by_kind[kind]
        count = str(len(group)) if group[0].name else ""
        days = (now - max(e.used for e in group)) / 86400
        last = "today" if days < 1 else f"{days:.0f} days ago"
        click.echo(printable(f"{kind:18} {count:>4} {format_bytes(sizes[kind]):>10}  {last}"))
    click.echo(f"{'all':18} {'':>4} {format_bytes(sum(sizes.values())):>10}")
