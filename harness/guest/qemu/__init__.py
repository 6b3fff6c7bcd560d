# SPDX-License-Identifier: GPL-2.0-only
"""QEMU: the options a guest is started with, and the running process."""
