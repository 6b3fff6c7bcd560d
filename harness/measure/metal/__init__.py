# SPDX-License-Identifier: GPL-2.0-only
"""Boots on a physical machine over ssh: kexec into a measured kernel and back."""
