# SPDX-License-Identifier: GPL-2.0-only
"""Virtual machines: root folder, devices, boot, console."""
