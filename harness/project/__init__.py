# SPDX-License-Identifier: GPL-2.0-only
"""What a user edits in series/, configs/ and guests/, as values."""
