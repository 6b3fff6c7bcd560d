# SPDX-License-Identifier: GPL-2.0-only
"""What a guest printed: the kernel's console and the agent's log, read. Pure."""
