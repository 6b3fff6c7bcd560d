# SPDX-License-Identifier: GPL-2.0-only
"""Whether a series may be built and booted where bubblewrap does not work.

Building a kernel runs what its Makefiles say, so a stranger's series is a stranger's program. Ours
is as trusted as this checkout, which could do the same; the tree is one that the user chose.
"""

from harness.errors import MachineError
from harness.host.cache import Cache
from harness.series.source import Port, Source


def require(cache: Cache, source: Source | None) -> None:
    """Raise MachineError for a stranger's series on a machine where it cannot be confined.

    `source` None is the tree's port. --no-sandbox gives the confinement up, and no error is raised.
    """
    if source is None or isinstance(source, Port) or cache.sandbox.given_up:
        return
    reason = cache.sandbox.unusable
    if reason is not None:
        raise MachineError(
            f"bubblewrap does not work here ({reason}), and this series is not our own: its "
            "Makefiles could read your keys, write to your files and reach the network",
            hint="mend it (`harness doctor`), or add --no-sandbox if you trust the series",
        )
