# SPDX-License-Identifier: GPL-2.0-only
"""Every way of not succeeding, each with the exit code it ends the program with.

Raised anywhere, caught once: at the command line. The harness failing (69) must never look like
a series failing (3) or a claim not holding (1), nor the reverse.
"""

import errno
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
    """Two builds of a comparison differ in something that must be equal."""


class MachineError(HarnessError):
    """The machine cannot do what is asked: space, memory, permissions."""


class ToolMissing(MachineError):
    """A program that is needed is not installed."""


class Unsupported(MachineError):
    """This machine, tree or tool has not got what is asked for, so nothing was tried."""


class ToolFailed(MachineError):
    """An external program ended with an error."""


class TimedOut(MachineError):
    """An external program did not end within its deadline and was killed."""


class Defect(HarnessError):
    """The harness is wrong. sysexits.h EX_SOFTWARE: no verdict and no input error."""

    exit_code = 70


class GuestLost(MachineError):
    """The guest ended, or was ended, without its end marker."""


_SPACE = "free some space, or set XDG_CACHE_HOME to a folder with room"
_ACCESS = "make it yours to write, or set XDG_CACHE_HOME to a folder that is"
#: What the machine may refuse at any moment, and what to do about it.
_REFUSALS = {
    errno.ENOSPC: ("no space left on the device", _SPACE),
    errno.EDQUOT: ("the disk quota is used up", _SPACE),
    errno.EFBIG: ("file too large", "raise the limit on the size of files (ulimit -f)"),
    errno.EROFS: ("cannot be written to: read-only file system", _ACCESS),
    errno.EACCES: ("cannot be used: permission denied", _ACCESS),
    errno.EPERM: ("cannot be used: operation not permitted", _ACCESS),
    errno.EMFILE: ("too many open files", "raise the limit on open files (ulimit -n)"),
    errno.ENFILE: ("too many open files on this machine", "close other programs"),
    errno.ENOMEM: ("out of memory", "close other programs, or use a machine with more"),
    errno.EAGAIN: ("the machine has no more processes to give", "close other programs"),
    errno.EIO: ("input/output error", "look at the kernel's log: the disk may be failing"),
    errno.ENOTDIR: ("is no folder", "move away the file that is in its place"),
    errno.EEXIST: ("is no folder", "move away the file that is in its place"),
    errno.ENAMETOOLONG: ("has too long a name", "set XDG_CACHE_HOME to a shorter path"),
}


def of_machine(error: OSError, where: str | None = None) -> MachineError | None:
    """Return what to raise instead where the machine refused something; None for any other error.

    `where` names the file if the error does not.
    """
    refusal = _REFUSALS.get(error.errno or 0)
    if refusal is None:
        return None
    what, hint = refusal
    named = where if error.filename is None else str(error.filename)
    return MachineError(what, where=named, hint=hint)
