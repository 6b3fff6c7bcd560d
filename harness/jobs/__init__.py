# SPDX-License-Identifier: GPL-2.0-only
"""What runs, in which order, and where."""
