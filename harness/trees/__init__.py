# SPDX-License-Identifier: GPL-2.0-only
"""Kernel sources: fetched, unpacked, committed to the cache repository, checked out."""
