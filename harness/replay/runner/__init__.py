# SPDX-License-Identifier: GPL-2.0-only
"""Runs replay programs, interleaved in short slices."""
