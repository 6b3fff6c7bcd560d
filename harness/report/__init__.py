# SPDX-License-Identifier: GPL-2.0-only
"""Conclusions to text; no arithmetic but formatting."""
