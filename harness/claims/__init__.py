# SPDX-License-Identifier: GPL-2.0-only
"""What a cover letter promises, read from its text and checked against itself."""
