# SPDX-License-Identifier: GPL-2.0-only
"""Times replays: schedule, rounds, memory."""
