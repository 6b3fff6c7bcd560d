# SPDX-License-Identifier: GPL-2.0-only
"""One external program a module: arguments in, values out."""
