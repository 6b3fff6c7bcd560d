# SPDX-License-Identifier: GPL-2.0-only
"""Runs the kernel's own compiled function in a user-space program.

shim/ has the program's sources. The object's undefined symbols are resolved before anything runs;
a symbol that the shim does not provide is an error, not a jump into nothing.
"""
