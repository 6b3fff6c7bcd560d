# SPDX-License-Identifier: GPL-2.0-only
"""What reports call bindings of namespaces. Pure values."""

from harness.workloads.report_words import ReportWords

REPORT_WORDS = ReportWords(
    metric="driver",
    figure="binding",
    sample="rebind",
    first="first binding",
    printed_by="memmap_init_zone_device() itself",
    on_metal="The namespaces were ranges of its RAM.",
    tested="bound and rebound",
    mail_first="First binding for {} driver",
    mail_later="Average of subsequent rebinds",
    mail_mean="Average of rebinds for {} driver",
)
