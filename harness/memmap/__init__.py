# SPDX-License-Identifier: GPL-2.0-only
"""Struct pages: read from a namespace's backing file, and compared."""
