# SPDX-License-Identifier: GPL-2.0-only
"""Claims: read from mails, stored in series.yaml, and audited."""
