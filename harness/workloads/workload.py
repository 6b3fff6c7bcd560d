# SPDX-License-Identifier: GPL-2.0-only
"""The interface of a workload: what the rooms know of what is measured. Pure."""

from collections.abc import Mapping
from typing import Protocol

from harness.workloads.replay import Replay


class Workload(Protocol):
    """What a run measures: a function of the kernel, and the figures that guests print of it."""

    @property
    def name(self) -> str:
        """Return its name in series.yaml and in records."""

    @property
    def function(self) -> str:
        """Return the function of the kernel that it measures."""

    @property
    def object(self) -> str:
        """Return the object file that has the function, from the top of the tree."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the names of its figures, in the order of reports."""

    @property
    def proxies(self) -> Mapping[str, str]:
        """Return the kind of replayed call that is a proxy for a metric, by metric."""

    @property
    def replay(self) -> Replay | None:
        """Return how its function is called in a process; None if it has no replay."""
