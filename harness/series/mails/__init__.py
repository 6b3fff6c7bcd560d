# SPDX-License-Identifier: GPL-2.0-only
"""Mails: fetched from an archive, read, and chosen by b4, whose choice is checked."""
