# SPDX-License-Identifier: GPL-2.0-only
"""Run records: what was measured, as a file."""
