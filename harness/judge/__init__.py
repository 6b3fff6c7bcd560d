# SPDX-License-Identifier: GPL-2.0-only
"""Conclusions from a run record: validity, ratios, noise, verdicts."""
