# SPDX-License-Identifier: GPL-2.0-only
"""What spoils a run's figures, as values: each finding says where, and what would mend it."""

from typing import Literal

import msgspec

NoiseKind = Literal[
    "too-few", "drift", "load", "steal", "throttled", "coarse-clock", "bimodal", "outlier"
]


class Noise(msgspec.Struct, frozen=True):
    """One finding: `where` names side, boot or kind, `text` has the figures."""

    kind: NoiseKind
    where: str
    text: str
    remedy: str
