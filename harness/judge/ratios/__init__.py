# SPDX-License-Identifier: GPL-2.0-only
"""Ratios of a build's times to base's, and what is derived from them. Pure."""
