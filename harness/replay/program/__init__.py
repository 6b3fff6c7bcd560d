# SPDX-License-Identifier: GPL-2.0-only
"""Makes replay programs: the object of a build and the shim, linked into one executable."""
