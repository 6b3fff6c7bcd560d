# SPDX-License-Identifier: GPL-2.0-only
"""Progress on stderr: bars on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from harness.cli import printable
from harness.cli.timeline import Timeline
from harness.events import Advanced, Began, Ended, Event, Listener, Note
from harness.host import durations, units
from harness.host.cache import Cache

if TYPE_CHECKING:
    from harness.jobs.graph import Notify, Outcome

#: Least time between two plain lines of progress.
PLAIN_EVERY_S = 15.0
#: Plain lines of progress per step whose length is known.
PLAIN_PARTS = 4


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
            _draw(draw, job if named else "", news)

        yield notify


def _draw(draw: "_Plain | _Bars", name: str, news: "Event | Outcome") -> None:
    if isinstance(news, Event):
        draw(name, news)
    else:
        draw.forget(name)


class Story:
    """A listener that draws the progress of a whole command: one bar, with the time left."""

    def __init__(self, draw: "_Plain | _Bars", times: Timeline, *, named: bool) -> None:
        self.times = times
        self._drawn = draw
        self._named = named

    def __call__(self, job: str, news: "Event | Outcome") -> None:
        """Take news of a job."""
        if isinstance(news, Event):
            self.times.saw(job, news)
        elif job:
            self.times.ended(job)
        _draw(self._drawn, job if self._named else "", news)

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which something else may be printed."""
        return self._drawn.paused()

    def summary(self) -> str:
        """Return where the time went, in one line."""
        spent = {part: s for part, s in self.times.spent_s.items() if s >= 1}
        parts = ", ".join(f"{part} {units.duration(s)}" for part, s in spent.items())
        total = units.duration(sum(self.times.spent_s.values()))
        return f"took {total}: {parts}" if parts else f"took {total}"


@contextlib.contextmanager
def story(cache: Cache, command: str, *, named: bool) -> Iterator[Story]:
    """Yield a listener that draws the progress of a whole command.

    The durations of its steps are stored in the cache, to estimate later runs of `command`.
    """
    times = Timeline(durations.load(cache, command))
    try:
        with _drawn(times) as draw:
            yield Story(draw, times, named=named)
    finally:
        durations.save(cache, command, times.took_s)


@contextlib.contextmanager
def _drawn(times: Timeline | None = None) -> "Iterator[_Plain | _Bars]":
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Plain(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        _Counts(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", style="dim"),
    )
    with _Progress(*columns, console=console, transient=True) as progress:
        if times is not None:
            progress.show_whole(times)
        yield _Bars(progress)


class _Counts(MofNCompleteColumn):
    """Counts, but not for the bar of the whole command, which counts seconds."""

    def render(self, task: Task) -> Text:
        return Text() if task.fields.get("is_whole") else super().render(task)


class _Progress(Progress):
    """Bars, the first of which may be that of the whole command."""

    _whole: tuple[TaskID, Timeline] | None = None

    def show_whole(self, times: Timeline) -> None:
        """Add the bar of the whole command; its time left is computed at every redraw."""
        self._whole = (
            self.add_task("[bold]in all[/]", total=None, text="", is_whole=True),
            times,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield what is drawn."""
        if self._whole is not None:
            task, times = self._whole
            spent, left = sum(times.spent_s.values()), times.left_s()
            if left is not None:
                text = f"{units.duration(left)} left"
                self.update(task, completed=int(spent), total=int(spent + left), text=text)
        return super().get_renderables()


def _of(job: str, text: str) -> str:
    """Return the text, with the job's name before it unless it starts with that."""
    return escape(printable(text if text.startswith(job) else f"{job}: {text}"))


class _Plain:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._titles: dict[str, str] = {}
        self._last: dict[str, float] = {}
        self._part: dict[str, int] = {}

    def __call__(self, job: str, event: Event) -> None:
        match event:
            case Began(title):
                self._titles[job] = title
                self._last[job] = time.monotonic()
                self._part[job] = 0
                self._print(_of(job, title))
            case Note(text) | Ended(text):
                self._print(f"  {_of(job, text)}")
            case Advanced(done, total, text):
                part = done * PLAIN_PARTS // total if total else self._part.get(job, 0) + 1
                is_late = time.monotonic() - self._last.get(job, 0.0) >= PLAIN_EVERY_S
                if is_late and part > self._part.get(job, 0):
                    self._last[job], self._part[job] = time.monotonic(), part
                    title = self._titles.get(job, "")
                    of = f" of {total}" if total else ""
                    self._print(f"  {_of(job, title)}: {done}{of} {_of('', text)}")

    def forget(self, job: str) -> None:
        """Drop a job that has ended."""
        self._titles.pop(job, None)
        self._last.pop(job, None)
        self._part.pop(job, None)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Do nothing: lines are complete."""
        yield

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

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Remove the bars during the block."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()
