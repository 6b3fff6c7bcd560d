# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's make: run, and what it prints and records, read."""
