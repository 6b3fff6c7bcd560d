# SPDX-License-Identifier: GPL-2.0-only
"""Text of others (patches, consoles, tools), made fit to stand in ours: no control characters.

What a format itself takes for markup is that format's business.
"""


def printable(text: str) -> str:
    """Return text that cannot steer a terminal: control characters shown as escapes."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def one_line(text: str, limit: int = 500) -> str:
    """Return text in one printable line of at most `limit` characters; what is cut shows as …."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
