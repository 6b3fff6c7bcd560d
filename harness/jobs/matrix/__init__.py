# SPDX-License-Identifier: GPL-2.0-only
"""The matrix: kernels, guests and trees, tried one by one."""
