# SPDX-License-Identifier: GPL-2.0-only
"""Boots that are measured, and the state of the machine meanwhile."""
