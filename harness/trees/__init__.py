# SPDX-License-Identifier: GPL-2.0-only
"""Kernel sources: where they come from and how they are unpacked."""
