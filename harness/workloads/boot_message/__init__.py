# SPDX-License-Identifier: GPL-2.0-only
"""Figures that the kernel prints once per boot, found by patterns of series.yaml. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from harness.record.metric import Metric
from harness.record.record import Check, Sample
from harness.workloads.boot_message.deferred_init import REPLAY
from harness.workloads.boot_message.message import Message, Value
from harness.workloads.claim_words import ClaimWords
from harness.workloads.figures import Cut, Figure, Steps
from harness.workloads.replay import Replay
from harness.workloads.report_words import ReportWords
from harness.workloads.workload import Asked, Expected, Lines, OtherLogs

NAME = "boot_message"


class BootMessage:
    """Messages of any function, each with a figure of its own name."""

    name = NAME
    function = ""
    object = ""
    claim_words = ClaimWords()
    report_words = ReportWords()
    proxies: Mapping[str, str] = MappingProxyType({})
    replay: Replay | None = REPLAY
    kernel_options: tuple[str, ...] = ()
    line_types: tuple[type[msgspec.Struct], ...] = ()
    other_logs: OtherLogs | None = None

    def __init__(self, messages: Mapping[str, Message]) -> None:
        self._messages = messages
        self.metrics = tuple(messages)

    @property
    def described(self) -> tuple[Metric, ...]:
        """Return the metrics that are not times, or that are better when higher."""
        return tuple(
            Metric(name, "count" if one.unit == "count" else "ns", one.better)
            for name, one in self._messages.items()
            if one.unit == "count" or one.better == "higher"
        )

    def agent_arguments(self, asked: Asked) -> tuple[str, ...]:
        """Return that the agent is to rebind nothing."""
        return ("0",)

    def expected(self, asked: Asked) -> dict[str, Expected]:
        """Return one figure of each metric."""
        return dict.fromkeys(self._messages, Expected(1, lowest=1))

    def read(self, message: str) -> Figure | Cut | None:
        """Return the figure of the first message of series.yaml that this is."""
        for name, one in self._messages.items():
            match one.read(message):
                case Value(amount, step):
                    return Figure(amount, metric=name, step_ns=step)
                case str():
                    return Cut()
        return None

    def probed(self, steps: Steps, lines: Lines) -> tuple[Sample, ...]:
        """Return none: there is no call to probe."""
        return ()

    def checks(self, asked: Asked, steps: Steps, lines: Lines) -> tuple[Check, ...]:
        """Return whether each message was printed once."""
        return tuple(steps.count(name, 1, "message") for name in self._messages)
