# SPDX-License-Identifier: GPL-2.0-only
"""Progress on stderr: bars on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from harness.cli import printable
from harness.events import Advanced, Began, Ended, Event, Listener, Note

if TYPE_CHECKING:
    from harness.jobs.graph import Notify, Outcome

#: Least time between two plain lines of progress.
PLAIN_EVERY_S = 15.0


@contextlib.contextmanager
def watching() -> Iterator[Listener]:
    """Yield a listener that draws events until the block ends."""
    with _drawn() as draw:
        yield lambda event: draw("", event)


@contextlib.contextmanager
def watching_jobs(*, named: bool) -> "Iterator[Notify]":
    """Yield a listener that draws the progress of jobs, with their names if `named`."""
    with _drawn() as draw:

        def notify(job: str, news: "Event | Outcome") -> None:
            name = job if named else ""
            if isinstance(news, Event):
                draw(name, news)
            else:
                draw.forget(name)

        yield notify


@contextlib.contextmanager
def _drawn() -> "Iterator[_Plain | _Bars]":
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


def _of(job: str, text: str) -> str:
    """Return the text, with the job's name before it unless it starts with that."""
    return escape(printable(text if text.startswith(job) else f"{job}: {text}"))


class _Plain:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._titles: dict[str, str] = {}
        self._last: dict[str, float] = {}

    def __call__(self, job: str, event: Event) -> None:
        match event:
            case Began(title):
                self._titles[job] = title
                self._last[job] = time.monotonic()
                self._print(_of(job, title))
            case Note(text) | Ended(text):
                self._print(f"  {_of(job, text)}")
            case Advanced(done, total, text):
                if time.monotonic() - self._last.get(job, 0.0) >= PLAIN_EVERY_S:
                    self._last[job] = time.monotonic()
                    title = self._titles.get(job, "")
                    of = f" of {total}" if total else ""
                    self._print(f"  {_of(job, title)}: {done}{of} {_of('', text)}")

    def forget(self, job: str) -> None:
        """Drop a job that has ended."""
        self._titles.pop(job, None)
        self._last.pop(job, None)

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, job: str, event: Event) -> None:
        match event:
            case Began(title):
                self.forget(job)
                self._tasks[job] = self._progress.add_task(_of(job, title), total=None, text="")
            case Advanced(done, total, text):
                if job in self._tasks:
                    self._progress.update(
                        self._tasks[job], completed=done, total=total, text=_of("", text)
                    )
            case Note(text):
                self._progress.console.print(f"  {_of(job, text)}", soft_wrap=True)
            case Ended(text):
                self.forget(job)
                self._progress.console.print(f"[green]✓[/] {_of(job, text)}")

    def forget(self, job: str) -> None:
        """Remove the bar of a step that has ended."""
        if job in self._tasks:
            self._progress.remove_task(self._tasks.pop(job))
