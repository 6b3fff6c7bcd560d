# SPDX-License-Identifier: GPL-2.0-only
"""Output for other programs and for mail: one file per format."""
