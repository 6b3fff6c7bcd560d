# SPDX-License-Identifier: GPL-2.0-only
"""The interface of a workload: what the rooms know of what is measured. Pure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from harness.record.metric import Metric
from harness.record.record import Check, Sample
from harness.workloads.claim_words import ClaimWords
from harness.workloads.figures import Cut, Figure, Steps
from harness.workloads.replay import Replay
from harness.workloads.report_words import ReportWords

if TYPE_CHECKING:
    from harness.workloads.zone_device.namespaces import Namespace


class Asked(msgspec.Struct, frozen=True):
    """What a boot is asked to do, as its plan and its guest say.

    `place` is what the namespaces are on, `ranges` the bytes of each range of RAM that is declared
    persistent. `traced` and `probed`: the boot counts events, and compares clocks.
    """

    guest: str
    namespaces: "tuple[Namespace, ...]"
    place: str
    rebinds: int
    ranges: tuple[int, ...] = ()
    test_hmm: bool = False
    traced: bool = False
    probed: bool = False


class Expected(msgspec.Struct, frozen=True):
    """How many figures of a metric a boot prints, and for how many struct pages each.

    `lowest` is the index of the first one: 0, unless no figure is a first one of its own kind.
    """

    count: int
    nr_pages: int = 0
    lowest: int = 0

    @property
    def indices(self) -> range:
        """The indices of the figures."""
        return range(self.lowest, self.lowest + self.count)


def quoted(option: str) -> str:
    """Return a kernel option as a command line has it, where a space ends one."""
    name, equals, value = option.partition("=")
    return f'{name}{equals}"{value}"' if " " in value else option


#: Lines of the agent's report that only the workload can read.
Lines = Sequence[msgspec.Struct]


class OtherLogs(Protocol):
    """How figures are found in kernel logs of other machines, which may have no markers."""

    @property
    def example(self) -> str:
        """Return a message that states a figure."""

    @property
    def unvouched(self) -> tuple[str, ...]:
        """Return what a log without the agent's report does not say."""

    def read(self, message: str) -> Figure | Cut | None:
        """Return what a message states; other lines may quote one."""

    def named(self, message: str) -> tuple[str, ...]:
        """Return the metrics that a message beside a figure names."""

    def checks(self, steps: Steps, lines: Lines, rebinds: int | None) -> Sequence[Check]:
        """Return the checks of a boot that the procedure reported."""


class Workload(Protocol):
    """What a run measures: a function of the kernel, and the figures that guests print of it."""

    @property
    def name(self) -> str:
        """Return its name in series.yaml and in records."""

    @property
    def function(self) -> str:
        """Return the function of the kernel that it measures; empty if it measures any."""

    @property
    def object(self) -> str:
        """Return the object file that has the function, from the top of the tree."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the names of its figures, in the order of reports."""

    @property
    def described(self) -> tuple[Metric, ...]:
        """Return the metrics that are not times, or that are better when higher."""

    @property
    def proxies(self) -> Mapping[str, str]:
        """Return the kind of replayed call that is a proxy for a metric, by metric."""

    @property
    def replay(self) -> Replay | None:
        """Return how its function is called in a process; None if it has no replay."""

    @property
    def claim_words(self) -> ClaimWords:
        """Return how mails call what it measures."""

    @property
    def report_words(self) -> ReportWords:
        """Return what reports call what it measures."""

    @property
    def kernel_options(self) -> tuple[str, ...]:
        """Return the options by which a kernel prints the figures."""

    @property
    def line_types(self) -> tuple[type[msgspec.Struct], ...]:
        """Return the types of the lines that only this workload has in the agent's report."""

    @property
    def other_logs(self) -> OtherLogs | None:
        """Return how logs of other machines are read; None if they cannot be."""

    def agent_arguments(self, asked: Asked) -> tuple[str, ...]:
        """Return the arguments of the guest's agent (guests/agent/guest.sh)."""

    def expected(self, asked: Asked) -> Mapping[str, Expected]:
        """Return what a boot must print of each metric, in the order in which it is asked for.

        Raises InputError if there is nothing to measure in such a guest.
        """

    def read(self, message: str) -> Figure | Cut | None:
        """Return what a message of the kernel states; None if nothing."""

    def probed(self, steps: Steps, lines: Lines) -> tuple[Sample, ...]:
        """Return the steps as samples of the second clock, by which `Asked.probed` times them."""

    def checks(self, asked: Asked, steps: Steps, lines: Lines) -> Sequence[Check]:
        """Return the checks of a boot that only this workload has."""
