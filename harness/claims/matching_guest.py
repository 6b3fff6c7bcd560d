# SPDX-License-Identifier: GPL-2.0-only
"""Which guest is the machine that a mail describes."""

from collections.abc import Sequence

from harness.claims.procedure import NamespaceText
from harness.host.units import parse_size
from harness.project.guest import Guest, Namespace


def guests_of(described: Sequence[NamespaceText], guests: Sequence[Guest]) -> list[Guest]:
    """Return the guests that have all namespaces described, those with the fewest others.

    What is not said of a namespace may be anything. None fits where nothing is described.
    """
    fitting = [
        guest
        for guest in guests
        if described and all(any(_fits(d, n) for n in guest.namespaces) for d in described)
    ]
    fewest = min((len(guest.namespaces) for guest in fitting), default=0)
    return [guest for guest in fitting if len(guest.namespaces) == fewest]


def _fits(described: NamespaceText, namespace: Namespace) -> bool:
    return (
        described.mode == namespace.mode
        and parse_size(described.size) == namespace.size_bytes
        and described.map in (None, namespace.map)
        and (described.align is None or parse_size(described.align) == namespace.align_bytes)
    )
