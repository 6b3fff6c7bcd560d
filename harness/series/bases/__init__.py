# SPDX-License-Identifier: GPL-2.0-only
"""The commit a series applies to: named by its author, or found."""
