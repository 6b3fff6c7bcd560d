# SPDX-License-Identifier: GPL-2.0-only
"""One file per format that another program or a mail reads."""
