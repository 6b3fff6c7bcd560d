# SPDX-License-Identifier: GPL-2.0-only
"""A run in one file, to be judged on another machine."""
