# SPDX-License-Identifier: GPL-2.0-only
"""Draws what the stages tell: bars on a terminal, plain lines elsewhere. Always on stderr."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.cli import printable
from harness.events import Advanced, Began, Ended, Event, Listener, Said

#: How often a line of progress is worth reading where no bar can be drawn.
PLAIN_EVERY_S = 15.0


@contextlib.contextmanager
def watching() -> Iterator[Listener]:
    """Give a listener that draws until the block ends."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Plain(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", style="dim"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress)


class _Plain:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._title = ""
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case Began(title):
                self._title = title
                self._last = time.monotonic()
                self._print(title)
            case Said(text) | Ended(text):
                self._print(f"  {text}")
            case Advanced(done, total, text):
                if time.monotonic() - self._last >= PLAIN_EVERY_S:
                    self._last = time.monotonic()
                    self._print(f"  {self._title}: {done}{f' of {total}' if total else ''} {text}")

    def _print(self, text: str) -> None:
        self._console.print(escape(printable(text)), soft_wrap=True)


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, text="", visible=False)

    def __call__(self, event: Event) -> None:
        match event:
            case Began(title):
                self._progress.remove_task(self._task)
                self._task = self._progress.add_task(escape(printable(title)), total=None, text="")
            case Advanced(done, total, text):
                self._progress.update(
                    self._task, completed=done, total=total, text=escape(printable(text))
                )
            case Said(text):
                self._progress.console.print(f"  {escape(printable(text))}", soft_wrap=True)
            case Ended(text):
                self._progress.update(self._task, visible=False)
                self._progress.console.print(f"[green]✓[/] {escape(printable(text))}")
