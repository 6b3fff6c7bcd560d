# SPDX-License-Identifier: GPL-2.0-only
"""HTML pages and their pictures."""

#: Shown instead of a missing number.
NOTHING = "\N{EN DASH}"
