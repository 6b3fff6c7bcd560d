# SPDX-License-Identifier: GPL-2.0-only
"""Where the time of a command goes, and how much is left. Reads only the clock it is given."""

import time
from collections.abc import Callable, Mapping

from harness.events import Advanced, Began, Event, Planned

#: The parts of `harness reproduce` by the first word of their jobs' names.
PARTS = {
    "fetch": "tree",
    "apply": "tree",
    "replay": "replay",
    "build": "kernels",
    "measure": "boots",
}
#: Seconds per step on a server with two CPUs, where no earlier run says how long it takes.
GUESSES_S = {"replay": 90.0, "build": 240.0, "measure": 120.0}
#: From this share of a step on, its own speed predicts the rest better than earlier runs do.
ENOUGH = 0.25


class Timeline:
    """The steps of a command. `known_s` is how long they took in earlier runs."""

    def __init__(
        self, known_s: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._known_s = known_s
        self._clock = clock
        self._planned: tuple[str, ...] = ()
        self._began: dict[str, float] = {}
        self._done: dict[str, float] = {}
        self._share: dict[str, float] = {}
        self._current: dict[str, tuple[int, int]] = {}
        self._spent: dict[str, float] = {}
        self._part, self._since = "", clock()

    def saw(self, step: str, event: Event) -> None:
        """Take an event of a step."""
        if isinstance(event, Planned):
            self._planned = event.steps
        if not step:
            return
        self._enter(step)
        self._began.setdefault(step, self._clock())
        match event:
            case Began(_, number, of):
                self._current[step] = (number, of)
                self._share[step] = (number - 1) / of
            case Advanced(done, total) if total and step in self._current:
                number, of = self._current[step]
                self._share[step] = (number - 1 + min(done / total, 1)) / of
            case _:
                pass

    def ended(self, step: str) -> None:
        """Take the end of a step."""
        self._enter(step)
        self._done[step] = self._clock() - self._began.get(step, self._clock())

    def _enter(self, step: str) -> None:
        now = self._clock()
        if self._part:
            self._spent[self._part] = self._spent.get(self._part, 0.0) + now - self._since
        self._part, self._since = PARTS.get(step.split()[0], step), now

    @property
    def took_s(self) -> dict[str, float]:
        """How long each step took that has ended and did something."""
        return {step: spent for step, spent in self._done.items() if step in self._began}

    @property
    def spent_s(self) -> dict[str, float]:
        """How long each part of the command took until now, in the order of their beginning."""
        now = self._clock()
        spent = dict(self._spent)
        if self._part:
            spent[self._part] = spent.get(self._part, 0.0) + now - self._since
        return spent

    def left_s(self) -> float | None:
        """Return how many seconds are left; None until it is known which steps follow."""
        if not self._planned:
            return None
        return sum(self._left_of(step) for step in self._planned if step not in self._done)

    def _left_of(self, step: str) -> float:
        expected = self._known_s.get(step) or GUESSES_S.get(step.split()[0], 0.0)
        if step not in self._began:
            return expected
        spent, share = self._clock() - self._began[step], self._share.get(step, 0.0)
        # The parts of a replay have no known durations.
        if share and step != "replay" and (share >= ENOUGH or step not in self._known_s):
            return spent * (1 - share) / share
        return max(expected - spent, 0.0)
