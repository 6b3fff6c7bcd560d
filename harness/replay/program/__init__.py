# SPDX-License-Identifier: GPL-2.0-only
"""The replay program: objects of a build, the shim, one static executable."""
