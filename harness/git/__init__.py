# SPDX-License-Identifier: GPL-2.0-only
"""git as a program, and the texts that it prints."""
