# SPDX-License-Identifier: GPL-2.0-only
"""Base against base: whether this machine's noise alone looks like a difference."""

import msgspec


class NullSeen(msgspec.Struct, frozen=True):
    """The newest null run that the run may be held to: where it is, and what it "finds".

    `finds` is empty where noise alone makes no difference, else a sentence that names it.
    """

    run_id: str
    finds: str
