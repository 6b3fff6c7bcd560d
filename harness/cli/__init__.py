# SPDX-License-Identifier: GPL-2.0-only
"""The command line: the only place that imports click or rich, prints, or exits.

Commands live in one module a group and are imported when they are called, so that `--help` and
shell completion stay quick.
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


#: Every command, in the order of the work. A test holds that these are the commands' own words.
COMMANDS = {
    "reproduce": _Entry("measure:reproduce", "Do it all: fetch, apply, build, boot, compare."),
    "doctor": _Entry("doctor:doctor", "Say what this machine can do, and how to mend the rest."),
    "tree": _Entry("tree:tree", "Fetch and list kernel trees."),
    "series": _Entry("series:series", "List, show, fetch and import the series on trial."),
    "apply": _Entry("apply:apply", "Apply a series to a tree with b4, one commit a patch."),
    "rebase": _Entry("rebase:rebase", "Carry a series to other trees, and say what that took."),
    "versions": _Entry(
        "versions:versions", "Compare two versions of a series, and who still vouches."
    ),
    "watch": _Entry("watch:watch", "Try a series on each new tag of a tree, once."),
    "build": _Entry("build:build", "Build base, tip or any prefix of a series."),
    "measure": _Entry("measure:measure", "Boot base and tip and time their bindings."),
    "replay": _Entry("replay:replay", "Time and check every prefix natively, without a boot."),
    "bisect": _Entry("bisect:bisect", "Find the commit since which it is slower or otherwise."),
    "matrix": _Entry("matrix:matrix", "Try the series on many kernels, guests and trees."),
    "verify": _Entry("verify:verify", "Compare the struct pages that base and tip left."),
    "audit": _Entry("audit:audit", "Ask whether the posted figures fit each other."),
    "judge": _Entry("judge:judge", "Hold a run to its claims, or to rules of your own."),
    "null": _Entry("null:null", "Measure base against itself: does noise alone differ?"),
    "compare": _Entry("compare:compare", "Compare two runs, where everything pinned is equal."),
    "b4-check": _Entry(
        "b4_check:b4_check", "Answer a mail on stdin from the newest run of its series."
    ),
    "plan": _Entry("plan:plan", "Print a plan as the jobs of a CI system."),
    "report": _Entry("report:report", "Show what may be concluded of a run, in many forms."),
    "bundle": _Entry("bundle:bundle", "Pack a run into one file that can be judged elsewhere."),
    "cache": _Entry("cache:cache_group", "Show and prune what is kept between runs."),
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are used, not when they are listed."""

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
    """Does a patch series do what its cover letter says, on this kernel, on this machine?

    \b
    Examples:
      harness doctor                        can this machine run it?
      harness reproduce                     the author's procedure, start to end
      harness reproduce --plan quick        the same on 4 GiB namespaces, 5 rebinds
      harness apply memcpy-streaming --tree v7.2

    \b
    Exit codes: 0 done · 1 a verdict is not `reproduced` · 2 bad input · 3 the series does not
    apply or build · 65 records unusable · 69 the machine or a tool failed · 130 interrupted.
    """


def main() -> NoReturn:
    """Run the command line and exit with the code that the outcome has."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        code = cli.main(standalone_mode=False)
    except HarnessError as error:
        sys.exit(_fail(error))
    except click.ClickException as error:
        sys.exit(_fail(InputError(error.format_message().rstrip("."), hint=_usage_hint(error))))
    except (KeyboardInterrupt, click.Abort):
        click.echo("harness: interrupted; what was finished is kept", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; that is their choice and no failure of ours.
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
