# SPDX-License-Identifier: GPL-2.0-only
"""The words: frozen values without input, output or clock."""
