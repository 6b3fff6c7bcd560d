# SPDX-License-Identifier: GPL-2.0-only
"""Rules of the user's own (`--gate`) against a run: what has no number fails."""

import msgspec


class Gated(msgspec.Struct, frozen=True):
    """A rule as it was given, whether it held, its figure, and why in a sentence."""

    rule: str
    ok: bool
    value: float | None
    reason: str
