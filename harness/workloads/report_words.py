# SPDX-License-Identifier: GPL-2.0-only
"""What reports call what a workload measures. Pure values."""

import msgspec


class ReportWords(msgspec.Struct, frozen=True):
    """The words of a workload in reports; `{}` stands for the name of a metric.

    `metric` is the heading of its column, `figure` one that a boot prints. `sample` is what a boot
    repeats, empty if it is measured once per boot; `first` is the first of them, empty if that is
    no other than the rest. `printed_by` prints the figures; `on_metal` is a sentence about runs on
    a physical machine. In mails, `tested` is what was done in guests, `mail_first` and `mail_later`
    are the first sample and the average of those after it, `mail_mean` the average where there is
    no first one.
    """

    metric: str = "metric"
    figure: str = "figure"
    sample: str = ""
    first: str = ""
    printed_by: str = "the kernel itself"
    on_metal: str = ""
    tested: str = "measured"
    mail_first: str = "First of {}"
    mail_later: str = "Average of those after it"
    mail_mean: str = "Average of {}"
