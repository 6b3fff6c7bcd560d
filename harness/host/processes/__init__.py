# SPDX-License-Identifier: GPL-2.0-only
"""Other programs: found, confined, run, and ended with all that they started."""
