# SPDX-License-Identifier: GPL-2.0-only
"""The same jobs on the workers of a Dask cluster."""
