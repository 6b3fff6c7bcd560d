# SPDX-License-Identifier: GPL-2.0-only
"""Conditions under which a run's figures count: its boots, its host, its noise. Pure."""
