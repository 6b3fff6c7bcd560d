# SPDX-License-Identifier: GPL-2.0-only
"""Patches: from a mailbox or a port to commits on a base."""
