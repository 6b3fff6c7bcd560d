# SPDX-License-Identifier: GPL-2.0-only
"""Text to values: pure and total functions, fed by golden logs."""
