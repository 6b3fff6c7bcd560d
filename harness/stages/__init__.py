# SPDX-License-Identifier: GPL-2.0-only
"""The acting wing: one verb a module, facts out, no opinion."""
