# SPDX-License-Identifier: GPL-2.0-only
"""How a replay is timed: schedule, rounds, memory."""
