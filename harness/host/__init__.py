# SPDX-License-Identifier: GPL-2.0-only
"""The machine: processes, cache, sandbox, files. Knows nothing of kernels."""
