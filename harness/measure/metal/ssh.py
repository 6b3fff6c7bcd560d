# SPDX-License-Identifier: GPL-2.0-only
"""Runs commands on a server as root, by OpenSSH's client with the user's configuration."""

from pathlib import Path

from harness.errors import MachineError, TimedOut, ToolFailed
from harness.host.processes import process
from harness.host.processes.process import Deadline, Finished
from harness.measure.metal.address import Address

#: ssh's exit code for its own errors (ssh(1)).
_FAILED = 255
_CONNECT_S = 30
#: A connection without any answer for this long is lost.
_ALIVE_S, _ALIVE_COUNT = 15, 8
_COMMAND_S = 300


class Server:
    """A server, and the log of all that is run there."""

    def __init__(self, address: Address, log: Path) -> None:
        self.address = address
        self._log = log

    def argv(self, command: str) -> tuple[str, ...]:
        """Return the argv that runs a shell command there.

        No connection is shared: a master that outlives its command would outlive the harness.
        """
        options = ["BatchMode=yes", f"ConnectTimeout={_CONNECT_S}", "ControlPath=none"]
        options += [f"ServerAliveInterval={_ALIVE_S}", f"ServerAliveCountMax={_ALIVE_COUNT}"]
        port = ("-p", str(self.address.port)) if self.address.port else ()
        words = [word for option in options for word in ("-o", option)]
        return ("ssh", "-T", *words, *port, "--", f"root@{self.address.host}", command)

    def run(
        self, command: str, *, stdin: Path | None = None, seconds: float = _COMMAND_S
    ) -> Finished:
        """Run a shell command there and return how it ended.

        Raises MachineError if the server cannot be reached or the command fails.
        """
        argv = self.argv(command)
        deadline = Deadline(seconds)
        done = process.run(argv, log=self._log, deadline=deadline, ok=None, stdin=stdin)
        if done.exit_code == 0:
            return done
        said = done.stderr.strip().splitlines()[-3:]
        if done.exit_code == _FAILED:
            raise MachineError(
                f"ssh failed: {'; '.join(said) or 'no reason given'}",
                where=str(self.address),
                hint=f"`ssh root@{self.address.host}` must work without a password or a question",
            )
        raise ToolFailed(
            f"a command on the server {process.ending(done.exit_code)}: {'; '.join(said)}",
            where=str(self.address),
            hint=f"the whole log is in {self._log}",
            detail=f"$ {command}",
        )

    def answers(self, command: str, seconds: float) -> str | None:
        """Return what a command prints there; None if the server does not answer within that time.

        A server that starts refuses connections at first.
        """
        argv = self.argv(command)
        try:
            done = process.run(argv, log=self._log, deadline=Deadline(seconds), ok=None)
        except TimedOut:
            return None
        return done.stdout if done.exit_code == 0 else None
