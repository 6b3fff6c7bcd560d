# SPDX-License-Identifier: GPL-2.0-only
"""Plain data as YAML in the project's own layout: an item a line or a few, nothing folded."""

import datetime
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

COLUMNS = 100
#: Words that need no quotation marks; YAML 1.1 takes some of them for something else.
_WORD = re.compile(
    r"(?!(?:true|false|yes|no|on|off|null|[yn])$)[a-z]\w*(?:[-./@]\w+)*", re.I | re.A
)


def flow(value: Any) -> str:
    """Return a value on one line. Null values of mappings are left out."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in _present(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return json.dumps(value)


def item_lines(item: Mapping[str, Any], column: int) -> list[str]:
    """Return a mapping as an item of a list whose dashes stand in `column`.

    Keys fill the lines; several texts in a list stand one a line.
    """
    lines = [" " * column + "- {"]
    indent = " " * (column + 3)
    for number, (key, value) in enumerate(_present(item)):
        first, *more = piece_lines(key, value)
        if number:
            lines[-1] += ","
            if more or len(lines[-1]) + len(first) + 2 > COLUMNS:
                lines.append(indent + first)
            else:
                lines[-1] += f" {first}"
        else:
            lines[-1] += first
        lines += [indent + line for line in more]
    lines[-1] += "}"
    return lines


def piece_lines(key: str, value: Any) -> list[str]:
    """Return a key with its value; several texts of a list stand one a line, below each other."""
    if not isinstance(value, (list, tuple)) or len(value) < 2:
        return [f"{key}: {flow(value)}"]
    indent = " " * (len(key) + 3)
    return [
        f"{key}: [{flow(value[0])},",
        *(f"{indent}{flow(one)}," for one in value[1:-1]),
        f"{indent}{flow(value[-1])}]",
    ]


def _present(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, inner) for key, inner in value.items() if inner is not None]
