# SPDX-License-Identifier: GPL-2.0-only
"""A series on another tree: plain application, three-way merge, recorded resolutions."""
