# SPDX-License-Identifier: GPL-2.0-only
"""Questions about more than one run: differences, history, versions."""
