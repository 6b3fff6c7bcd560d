# SPDX-License-Identifier: GPL-2.0-only
"""The judging wing: records to conclusions, pure and seeded."""
