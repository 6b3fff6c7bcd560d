# SPDX-License-Identifier: GPL-2.0-only
"""Mails that a user names, read for what they promise: for `series import` and `audit`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.parse.claims import Posting

#: As much as `harness apply` takes.
MAX_BYTES = 64 << 20


def read_mails(file: str) -> bytes:
    """Return the content of a file, or of standard input for `-`. Raises InputError."""
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as handle:
                raw = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=file) from error
    if len(raw) > MAX_BYTES:
        raise InputError("is over 64 MiB", where=file, expected="a mail, an mbox, or a page")
    return raw


def posting_of(
    raw: bytes,
    file: str,
    *,
    version: int | None = None,
    patch: int | None = None,
    rebinds: int | None = None,
) -> "Posting":
    """Return what mails promise. Raises InputError for what must be settled first, by its line."""
    from harness.parse.claims import Given, read_posting

    posting = read_posting(raw, Given(version, patch, rebinds))
    if posting.fatal is not None:
        open_ = [f"line {p.line}: {p.what}" for p in posting.problems if not p.fatal]
        raise InputError(
            posting.fatal.what,
            where=f"{file}:{posting.fatal.line}",
            detail="\n".join(open_) or None,
        )
    return posting


def show_problems(posting: "Posting", file: str) -> None:
    """Say on standard error which lines have figures that were not understood."""
    for problem in posting.problems:
        click.echo(printable(f"{file}:{problem.line}: {problem.what}"), err=True)
        if problem.text:
            click.echo(printable(f"  | {problem.text.strip()[:200]}"), err=True)


def patch_name(after_patch: int | None) -> str:
    """How a claim's place in its series is called."""
    return "whole series" if after_patch is None else f"patch {after_patch}"
