# SPDX-License-Identifier: GPL-2.0-only
"""Measurements that others made: kernel logs of other machines, as run records."""
