# SPDX-License-Identifier: GPL-2.0-only
"""A series on another base: git's strategies, what each patch took, and conflicts."""
