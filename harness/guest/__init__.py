# SPDX-License-Identifier: GPL-2.0-only
"""A virtual machine: its root, its devices, its boot, its console."""
