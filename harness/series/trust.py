# SPDX-License-Identifier: GPL-2.0-only
"""Refuses to build a third-party series without bubblewrap.

Building a kernel runs its Makefiles, so such a series is a third-party program. Our own ports are
trusted like this checkout; the user chose the tree.
"""

from harness.errors import MachineError
from harness.host.cache import Cache
from harness.series.source import Port, Source


def require(cache: Cache, source: Source | None) -> None:
    """Raise MachineError for a third-party series if it cannot be confined.

    `source` None is the tree's port. With --no-sandbox no error is raised.
    """
    if source is None or isinstance(source, Port) or cache.sandbox.given_up:
        return
    reason = cache.sandbox.unusable
    if reason is not None:
        raise MachineError(
            f"bubblewrap does not work here ({reason}), and this series is not our own: its "
            "Makefiles could read your keys, write to your files and reach the network",
            hint="fix it (see `harness doctor`), or add --no-sandbox if you trust the series",
        )
