# SPDX-License-Identifier: GPL-2.0-only
"""Error classes, each with the exit code of the program.

The command line catches them. A failure of the harness or the machine (69, 70) must not look like
a failure of the series (3) or of a claim (1), nor the reverse.
"""

import errno
from typing import ClassVar

EXIT_VERDICT = 1
EXIT_INTERRUPTED = 130


class HarnessError(Exception):
    """An error in one line: where it is, what is wrong, what was expected, what to do.

    `detail` has more lines (the end of a log, a rejected hunk), which are shown below it.
    """

    exit_code: ClassVar[int] = 69

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
        detail: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.hint = hint
        self.detail = detail
        super().__init__(str(self))

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected:
            line += f"; expected {self.expected}"
        if self.hint:
            line += f". {self.hint[0].upper()}{self.hint[1:]}"
        return line


class InputError(HarnessError):
    """A file, key or option given by the user is wrong."""

    exit_code = 2


class DoesNotApply(HarnessError):
    """A patch of the series does not apply to the tree."""

    exit_code = 3


class DoesNotBuild(HarnessError):
    """The kernel does not build from this source and configuration."""

    exit_code = 3


class RecordError(HarnessError):
    """A run record is missing, damaged or has an unknown schema."""

    exit_code = 65


class NotComparable(RecordError):
    """Two builds differ in something that must be equal to compare them."""


class MachineError(HarnessError):
    """The machine lacks something: space, memory, permissions."""


class ToolMissing(MachineError):
    """A required program is not installed."""


class Unsupported(MachineError):
    """Not supported by this machine, tree or tool; nothing was attempted."""


class ToolFailed(MachineError):
    """A program ended with an error.

    `heard_to_end`: it ended by itself, and its listener got everything that it printed.
    """

    heard_to_end = False


class TimedOut(MachineError):
    """A program did not end within its deadline and was killed."""


class Defect(HarnessError):
    """The harness has a bug (EX_SOFTWARE in sysexits.h)."""

    exit_code = 70


class GuestLost(MachineError):
    """The guest ended, or was killed, before its end marker."""


_SPACE = "free some space, or set XDG_CACHE_HOME to a folder with room"
_ACCESS = "make it writable, or set XDG_CACHE_HOME to a folder that is"
#: System errors that are the machine's, with a message and a hint.
_REFUSALS = {
    errno.ENOSPC: ("no space left on the device", _SPACE),
    errno.EDQUOT: ("the disk quota is used up", _SPACE),
    errno.EFBIG: ("file too large", "raise the limit on the size of files (ulimit -f)"),
    errno.EROFS: ("read-only file system", _ACCESS),
    errno.EACCES: ("permission denied", _ACCESS),
    errno.EPERM: ("operation not permitted", _ACCESS),
    errno.EMFILE: ("too many open files", "raise the limit on open files (ulimit -n)"),
    errno.ENFILE: ("too many open files on this machine", "close other programs"),
    errno.ENOMEM: ("out of memory", "close other programs, or use a machine with more"),
    errno.EAGAIN: ("too many processes on this machine", "close other programs"),
    errno.EIO: ("input/output error", "see dmesg: the disk may be failing"),
    errno.ENOTDIR: ("not a folder", "move the file of that name away"),
    errno.EEXIST: ("not a folder", "move the file of that name away"),
    errno.ENAMETOOLONG: ("file name too long", "set XDG_CACHE_HOME to a shorter path"),
}


def of_machine(error: OSError, where: str | None = None) -> MachineError | None:
    """Return the MachineError for a system error that is the machine's; None for any other.

    `where` is the file if the error does not name one.
    """
    refusal = _REFUSALS.get(error.errno or 0)
    if refusal is None:
        return None
    what, hint = refusal
    named = where if error.filename is None else str(error.filename)
    return MachineError(what, where=named, hint=hint)
