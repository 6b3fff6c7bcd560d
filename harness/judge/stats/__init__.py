# SPDX-License-Identifier: GPL-2.0-only
"""Statistics of ratios and distributions."""
