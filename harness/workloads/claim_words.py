# SPDX-License-Identifier: GPL-2.0-only
"""How mails call what a workload measures. Pure values."""

from collections.abc import Mapping

import msgspec

_NOTHING = r"(?!)"


class ClaimWords(msgspec.Struct, frozen=True):
    """The words of a workload in mails, as regular expressions whose spaces are any white space.

    `modes` gives the metric of each mode of what a guest has. `things` have metrics, and `measured`
    is what is repeated: `first` is about its first time, `again` about those after it. `known` are
    other words that a sentence may have without changing what its figures are.
    """

    metrics: tuple[str, ...] = ()
    modes: Mapping[str, str] = {}
    things: str = _NOTHING
    measured: str = _NOTHING
    first: str = _NOTHING
    again: str = _NOTHING
    known: str = _NOTHING

    @property
    def names(self) -> str:
        """The names of metrics and modes."""
        return "|".join((*self.metrics, *self.modes)) or _NOTHING
