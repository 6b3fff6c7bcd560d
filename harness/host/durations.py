# SPDX-License-Identifier: GPL-2.0-only
"""How long steps took on this machine, in the cache: for estimates only."""

import contextlib
from collections.abc import Mapping

import msgspec

from harness.host.cache import Cache
from harness.host.files import replace_file

FILE = "durations.json"


def load(cache: Cache, command: str) -> dict[str, float]:
    """Return how many seconds the steps of a command took last; empty if unknown."""
    return _load(cache).get(command, {})


def save(cache: Cache, command: str, took_s: Mapping[str, float]) -> None:
    """Store how long steps of a command took. Does nothing if the cache cannot be written."""
    known = _load(cache)
    known[command] = known.get(command, {}) | {k: round(s, 1) for k, s in took_s.items()}
    with contextlib.suppress(OSError):
        cache.root.mkdir(parents=True, exist_ok=True)
        replace_file(cache.root / FILE, msgspec.json.encode(known), durable=False)


def _load(cache: Cache) -> dict[str, dict[str, float]]:
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        raw = (cache.root / FILE).read_bytes()
        return msgspec.json.decode(raw, type=dict[str, dict[str, float]])
    return {}
