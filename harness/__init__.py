# SPDX-License-Identifier: GPL-2.0-only
"""memmap-harness: does a patch series do what its cover letter says?"""
