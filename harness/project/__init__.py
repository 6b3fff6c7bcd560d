# SPDX-License-Identifier: GPL-2.0-only
"""The files that a user edits in series/, configs/ and guests/, as values."""
