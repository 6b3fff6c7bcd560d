# SPDX-License-Identifier: GPL-2.0-only
"""What `harness watch` remembers: which tags it has been to, and what it found there."""

from typing import Literal

import msgspec

from harness.project.release import order

# 1: first schema.
SCHEMA = 1

#: How far a tag's trial came; `held` is past the last.
Stage = Literal["rebase", "compile", "check", "time", "boot", "held"]


class Visit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tag: what came of the series there. Only verdicts are visits, never our own failures.

    `exit_code` is 0 where everything held, 1 where something did not, 3 where the series does not
    apply or build; `stage` is where that was, `reason` one sentence. `runs` are run records by id.
    Times are UTC, ISO 8601, to the second.
    """

    tag: str
    commit: str
    release: str
    exit_code: int
    stage: Stage
    reason: str
    fallbacks: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    started: str = ""
    finished: str = ""


class Watched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series followed over the tags of a tree, as it is kept between runs.

    `passed_over` are the tags that were there before and were not asked for.
    """

    tree: str
    slug: str
    passed_over: tuple[str, ...] = ()
    visits: tuple[Visit, ...] = ()
    schema: int = SCHEMA

    @property
    def last_good(self) -> Visit | None:
        """The last release in their order on which everything held."""
        good = [visit for visit in self.visits if visit.exit_code == 0]
        return max(good, key=lambda visit: order(visit.tag) or (0, 0, 0, 0), default=None)

    def unvisited(self, offered: list[str]) -> list[str]:
        """Return the tags that are new among those on offer, oldest release first."""
        known = {*self.passed_over, *(visit.tag for visit in self.visits)}
        return sorted((tag for tag in offered if tag not in known), key=_key)


def begun(tree: str, slug: str, offered: list[str], since: str | None) -> Watched:
    """Return a watch at its beginning: all tags later than `since` are new, or only the last."""
    tags = sorted(offered, key=_key)
    old = [tag for tag in tags if _key(tag) <= _key(since)] if since is not None else tags[:-1]
    return Watched(tree=tree, slug=slug, passed_over=tuple(old))


def since(watched: Watched, tag: str) -> Watched:
    """Return a watch for which the tags later than `tag` are new, unless they were visited."""
    old = tuple(name for name in watched.passed_over if _key(name) <= _key(tag))
    return msgspec.structs.replace(watched, passed_over=old)


def _key(tag: str) -> tuple[int, int, int, int]:
    return order(tag) or (0, 0, 0, 0)
