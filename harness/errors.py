# SPDX-License-Identifier: GPL-2.0-only
"""Every way of not succeeding, each with the exit code it ends the program with.

Raised anywhere, caught once: at the command line. The harness failing (69) must never look like
a series failing (3) or a claim not holding (1), nor the reverse.
"""

from typing import ClassVar

EXIT_OK = 0
EXIT_VERDICT = 1
EXIT_INTERRUPTED = 130


class HarnessError(Exception):
    """One clear line: where it is, what is wrong, what was expected, what to do about it.

    `detail` holds further lines (the end of a log, a rejected hunk) shown below that line.
    """

    exit_code: ClassVar[int] = 69

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        mend: str | None = None,
        detail: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.mend = mend
        self.detail = detail
        super().__init__(str(self))

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected:
            line += f"; expected {self.expected}"
        if self.mend:
            line += f". {self.mend[0].upper()}{self.mend[1:]}"
        return line


class InputError(HarnessError):
    """A file, key or flag that the user gave is wrong."""

    exit_code = 2


class DoesNotApply(HarnessError):
    """A patch of the series does not apply to the tree."""

    exit_code = 3


class DoesNotBuild(HarnessError):
    """The kernel does not build from this source and configuration."""

    exit_code = 3


class RecordError(HarnessError):
    """A run record is missing, damaged or of a schema this program does not read."""

    exit_code = 65


class NotComparable(RecordError):
    """Two sides of a comparison differ in something that must be equal."""


class MachineError(HarnessError):
    """The machine cannot do what is asked: space, memory, permissions."""


class ToolMissing(MachineError):
    """A program that is needed is not installed."""


class ToolFailed(MachineError):
    """An external program ended with an error."""


class TimedOut(MachineError):
    """An external program did not end within its deadline and was killed."""


class Defect(HarnessError):
    """The harness is wrong. sysexits.h EX_SOFTWARE: no verdict and no input error."""

    exit_code = 70


class GuestLost(MachineError):
    """The guest ended, or was ended, without its end marker."""
