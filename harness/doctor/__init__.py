# SPDX-License-Identifier: GPL-2.0-only
"""What this machine lacks, and what the cache holds."""
