# SPDX-License-Identifier: GPL-2.0-only
"""Options that several commands share, and the JSON they print."""

from typing import Any

import click
import msgspec

DEFAULT_SERIES = "memcpy-streaming"
DEFAULT_TREE = "v7.2"

series_argument = click.argument("slug", metavar="SERIES", default=DEFAULT_SERIES)
tree_option = click.option(
    "--tree",
    default=DEFAULT_TREE,
    show_default=True,
    metavar="T",
    help="Tree from configs/trees.yaml, or a tag already fetched (v7.2.13).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def print_json(value: Any) -> None:
    """Print a model object or plain data as indented JSON on stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
