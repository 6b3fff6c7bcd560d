# SPDX-License-Identifier: GPL-2.0-only
"""One run as one file: record, logs, struct pages and inputs."""
