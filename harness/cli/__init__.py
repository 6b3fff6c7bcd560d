# SPDX-License-Identifier: GPL-2.0-only
"""The command line: the only room that prints or exits.

A command's module is imported when the command is called, to keep `--help` and completion fast.
"""

import importlib
import signal
import sys
import traceback
from types import FrameType
from typing import NamedTuple, NoReturn

import click

from harness.errors import EXIT_INTERRUPTED, Defect, HarnessError, InputError, of_machine
from harness.report.escaping import printable as printable

DEFECT = "this is a defect in the harness, not a result"


class _Entry(NamedTuple):
    where: str
    short_help: str


#: Every command with its line in the list of commands, in the order of the work.
COMMANDS = {
    "reproduce": _Entry("reproduce:reproduce", "Replay, build and boot; judge every claim."),
    "doctor": _Entry("doctor:doctor", "Check whether this machine can run a plan."),
    "tree": _Entry("tree:tree", "Fetch and list kernel trees."),
    "series": _Entry("series:series", "List, show, fetch and import patch series."),
    "apply": _Entry("apply:apply", "Apply a series to a tree, one commit per patch."),
    "rebase": _Entry("rebase:rebase", "Rebase a series onto other trees; show how each patch fit."),
    "versions": _Entry("versions:versions", "Compare two versions of a series and their trailers."),
    "watch": _Entry("watch:watch", "Try a series on each new tag of a tree, once."),
    "build": _Entry("build:build", "Build base, tip or any prefix of a series."),
    "measure": _Entry("measure:measure", "Boot base and tip, time their rebinds, store the run."),
    "replay": _Entry("replay:replay", "Time and check every patch natively, without a boot."),
    "bisect": _Entry("bisect:bisect", "Bisect to the commit that made it slower or wrong."),
    "matrix": _Entry("matrix:matrix", "Try a series on many kernels, guests and trees."),
    "verify": _Entry("verify:verify", "Compare the struct pages that base and tip left."),
    "audit": _Entry("audit:audit", "Check the posted figures against each other."),
    "judge": _Entry("judge:judge", "Judge a run by its claims or by rules, for CI."),
    "procedure": _Entry("procedure:procedure", "Print a script that measures on another machine."),
    "import-logs": _Entry(
        "import_logs:import_logs", "Store kernel logs of another machine as a run."
    ),
    "null": _Entry("null:null", "Compare base with itself to measure the noise floor."),
    "compare": _Entry("compare:compare", "Compare two runs of the same set-up."),
    "b4-check": _Entry("b4_check:b4_check", "Answer a mail from the newest run of its series."),
    "plan": _Entry("plan:plan", "Print a plan as jobs for a CI system."),
    "report": _Entry("report:report", "Show what may be concluded from a run."),
    "bundle": _Entry("bundle:bundle", "Pack a run into one file, to be judged elsewhere."),
    "cache": _Entry("cache:cache_group", "Show and prune the cache."),
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].where.split(":")
        command = getattr(importlib.import_module(f"harness.cli.commands.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 (COMMANDS is ours)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.short_help) for name, entry in COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="memmap-harness")
def cli() -> None:
    """Test whether an mm patch series does what its cover letter says, on this machine.

    \b
    Examples:
      harness doctor                        check this machine
      harness reproduce                     the author's procedure, start to end
      harness reproduce --plan quick        the same on 4 GiB namespaces, 5 rebinds
      harness apply memcpy-streaming --tree v7.2

    \b
    Exit codes: 0 done · 1 a claim or a rule fails · 2 bad input · 3 the series does not apply
    or build · 65 unusable record · 69 the machine or a tool failed · 130 interrupted.
    """


def main() -> NoReturn:
    """Run the command line and exit with the exit code of its outcome."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        code = cli.main(standalone_mode=False)
    except HarnessError as error:
        sys.exit(_fail(error))
    except click.ClickException as error:
        sys.exit(_fail(InputError(error.format_message().rstrip("."), hint=_usage_hint(error))))
    except (KeyboardInterrupt, click.Abort):
        click.echo("harness: interrupted; finished work is stored", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has closed it, like `head`: not a failure.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 (a defect must not exit with 1, which is a verdict)
        if isinstance(error, OSError) and (refused := of_machine(error)):
            sys.exit(_fail(refused))
        traceback.print_exc()
        click.echo(f"harness: {DEFECT}", err=True)
        sys.exit(Defect.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(error: HarnessError) -> int:
    click.echo(printable(f"harness: {error}"), err=True)
    for line in (error.detail or "").splitlines():
        click.echo(printable(f"  | {line}"), err=True)
    if isinstance(error, Defect):
        click.echo(f"harness: {DEFECT}", err=True)
    return error.exit_code


def _usage_hint(error: click.ClickException) -> str | None:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"see `{error.ctx.command_path} --help`"
    return None


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
