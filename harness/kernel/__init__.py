# SPDX-License-Identifier: GPL-2.0-only
"""A kernel from configuration to image, and what its objects contain."""
