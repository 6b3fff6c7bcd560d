# SPDX-License-Identifier: GPL-2.0-only
"""Conclusions as text, pages and files for other programs."""
