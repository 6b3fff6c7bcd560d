# SPDX-License-Identifier: GPL-2.0-only
"""Bisection of a kernel tree by time or by struct pages."""
