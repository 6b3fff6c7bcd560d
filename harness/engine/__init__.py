# SPDX-License-Identifier: GPL-2.0-only
"""Who runs the jobs: this process (`local`), or a cluster (`dask`). What they are is the same."""
