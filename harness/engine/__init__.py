# SPDX-License-Identifier: GPL-2.0-only
"""Who runs the jobs, several at once where they may. What they are does not depend on it."""
