# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own compiled memmap_init_zone_device(), linked into a user-space program and run.

shim/ holds the program's sources. What an object needs of the rest of the kernel is found in its
relocations before anything runs; what is missing is named, never jumped to.
"""
