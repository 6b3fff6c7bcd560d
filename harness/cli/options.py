# SPDX-License-Identifier: GPL-2.0-only
"""Options that several commands share, and JSON output."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from harness.errors import InputError
from harness.project.project import DEFAULT_SERIES

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.host.cache import Cache
    from harness.judge.rule_syntax import Rule
    from harness.project.project import Project
    from harness.series.source import MailChoice, Source
    from harness.series.what import Given

#: Where a command's context says whether --no-sandbox was given, and which --repo.
_NO_SANDBOX = f"{__name__}.no_sandbox"
_CACHE = f"{__name__}.cache"
_REPOSITORY = f"{__name__}.repository"

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_TREE = "v7.2"

series_argument = click.argument("slug", metavar="[SERIES]", default=DEFAULT_SERIES)
_BASE_HELP = (
    "Revision of --repo, tree of `harness tree list`, release (v7.2.12) or PATH@REV of a clone "
    "(default: the base that the patches name or fit)."
)
plan_option = click.option(
    "--plan",
    default="reproduce",
    show_default=True,
    metavar="P",
    help="Plan of configs/plans/: reproduce (100 GiB, 30 rebinds), quick (4 GiB, 5).",
)
prefix_option = click.option(
    "--prefix", type=int, metavar="K", help="Take the first K patches as tip (default: all)."
)
follow_up_option = click.option(
    "--follow-up",
    is_flag=True,
    help="Take the series' follow-up too: our own patches on top, which no claim is about.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def adding(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Return a decorator that adds click options, in this order in the help text."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def as_one(options: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that hands a command its options as one value of this class."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def collected(*args: Any, **given: Any) -> Any:
            return command(*args, options(**given))

        return collected

    return decorate


def grouped(name: str, group: type[NamedTuple]) -> Callable[[F], F]:
    """Return a decorator that hands a command some of its options as one value called `name`."""

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def collected(*args: Any, **given: Any) -> Any:
            given[name] = group._make(given.pop(field) for field in group._fields)
            return command(*args, **given)

        return collected  # type: ignore[return-value]

    return decorate


class Renamed(click.Option):
    """An option with earlier names, which its help does not show."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the line of the help text, with the first name alone."""
        names, self.opts = self.opts, self.opts[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = names


what_argument = click.argument("what", metavar="[WHAT]", required=False)
repo_option = click.option(
    "--repo",
    type=click.Path(path_type=Path),
    metavar="R",
    help="Your kernel repository, only read (default: the kernel tree that you are in).",
)
require_options = adding(
    click.option(
        "--require",
        type=click.Choice(["reproduced", "supported"]),
        metavar="WORD",
        help="Exit with 1 unless every verdict is WORD; reproduced meets supported, too.",
    ),
    click.option(
        "--require-verdict",
        "require",
        flag_value="reproduced",
        help="The same as --require reproduced.",
    ),
)

#: For a WHAT that means mails.
mail_choice_options = adding(
    click.option(
        "--archive",
        default="",
        metavar="URL",
        help="Fetch mails from this public-inbox (default: your b4.midmask, or lore).",
    ),
    click.option(
        "--with-fixes",
        is_flag=True,
        help="Put fixes that answer the series, such as akpm's -fix mails, on top of it.",
    ),
)
#: Options of earlier releases, which WHAT and --base replace.
earlier_options = adding(
    click.option("--version", type=int, hidden=True),
    click.option("--port", hidden=True),
    click.option("--mbox", type=click.Path(path_type=Path), hidden=True),
)


def what_options(command: F) -> F:
    """Add WHAT and --repo; the command takes them as `slug` and `source`."""

    @functools.wraps(command)
    def collected(*args: Any, **given: Any) -> Any:
        named = Named(*(given.pop(field) for field in Named._fields))
        found = understood(named)
        return command(*args, slug=found.slug, source=found.source, **given)

    decorate = adding(what_argument, repo_option, mail_choice_options, earlier_options)
    return decorate(collected)  # type: ignore[return-value]


class Named(NamedTuple):
    """What a user typed that names patches: WHAT, --repo and the options of earlier releases."""

    what: str | None
    repo: Path | None
    version: int | None
    port: str | None
    mbox: Path | None
    archive: str = ""
    with_fixes: bool = False


def understood(named: Named) -> "Given":
    """Return what a user means, and print it as one line. Raises InputError."""
    found = _understood(named)
    click.get_current_context().meta[_REPOSITORY] = found.repository
    return found


def _understood(named: Named) -> "Given":
    from harness.cli.progress import watching
    from harness.events import Note
    from harness.series.source import MailChoice, Mails, Message, Posted
    from harness.series.what import Given, understand

    if click.get_current_context().invoked_subcommand is not None:
        return Given("")  # the subcommand has its own
    choice = MailChoice(named.version, named.archive, named.with_fixes)
    old = chosen_source(choice, named.port, named.mbox)
    project, cache = chosen_project(), chosen_cache()
    with watching() as listen:
        if named.mbox is not None or named.port is not None:
            slug = named.what or DEFAULT_SERIES
            project.require_series(slug)
            found = Given(slug, old, repository=named.repo)
        elif named.what is None and named.version is not None:
            found = Given(DEFAULT_SERIES, old, repository=named.repo)
        else:
            found = understand(project, cache, named.what, named.repo, listen, choice=choice)
        if named.with_fixes and not isinstance(found.source, Mails | Posted | Message):
            raise InputError("is for mails", where="--with-fixes", expected="mails as WHAT")
        if found.note:
            listen(Note(found.note))
    return found


def _give_up_sandbox(context: click.Context, _option: click.Parameter, value: object) -> None:
    context.meta[_NO_SANDBOX] = value


def chosen_cache() -> "Cache":
    """Return the user's cache, in which --no-sandbox, if given, lets programs run unconfined.

    It is the same one in all of a command, which reads its patches and tries bubblewrap once.
    """
    from harness.host.cache import Cache
    from harness.host.processes.sandbox import NO_SANDBOX, Sandbox

    meta = click.get_current_context().meta
    if _CACHE not in meta:
        meta[_CACHE] = Cache.default(Sandbox(NO_SANDBOX) if meta.get(_NO_SANDBOX) else None)
    found = meta[_CACHE]
    assert isinstance(found, Cache)  # noqa: S101 (for mypy)
    return found


def chosen_project() -> "Project":
    """Return the project, in which the command's repository is one of the user's clones."""
    from harness.project.project import Project

    return Project.find(click.get_current_context().meta.get(_REPOSITORY))


sandbox_option = click.option(
    "--no-sandbox",
    is_flag=True,
    expose_value=False,
    callback=_give_up_sandbox,
    help="Build and boot outside bubblewrap: code of the series can then read and write your "
    "files and reach the network.",
)


def _compiler(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    from harness.project.kernel import COMPILER

    several = getattr(ctx.command, "several_compilers", False)
    names = value.split(",") if several else [value]
    if not all(map(COMPILER.fullmatch, names)) or len(set(names)) < len(names):
        expected = "gcc, clang, gcc-14, clang-19 …"
        if several:
            expected += ", or several of them: gcc,clang-19"
        raise InputError(f"no compiler {value!r}", where="--compiler", expected=expected)
    return value


#: How kernels are made and run; see `chosen_cache` for --no-sandbox.
build_options = adding(
    click.option(
        "--profile",
        type=click.Choice(["minimal", "vng"]),
        default="minimal",
        show_default=True,
        help="Base configuration for the fragments: allnoconfig, or that of `vng --kconfig`.",
    ),
    click.option(
        "--compiler",
        callback=_compiler,
        default="gcc",
        show_default=True,
        metavar="CC",
        help="Compiler of the kernels: gcc, clang, or a version of them, like clang-19.",
    ),
    sandbox_option,
)


class KernelOptions(NamedTuple):
    """The options that choose kernels: fields of every request to build or run some."""

    slug: str
    tree: str
    source: "Source | None"
    plan: str
    profile: str
    compiler: str


def on_base(command: F) -> F:
    """Add WHAT, --repo and --base; the command takes them as `slug`, `source` and `tree`."""

    @functools.wraps(command)
    def collected(
        *args: Any, base: str | None, tip: str | None, without: tuple[str, ...], **given: Any
    ) -> Any:
        named = Named(*(given.pop(field) for field in Named._fields))
        found = understood(named) if tip is None else _compared(named, base, tip, without)
        if tip is None and without:
            raise InputError("given without --tip", where="--without", expected="both")
        chosen = chosen_tree(found, base)
        return command(*args, slug=found.slug, source=found.source, tree=chosen, **given)

    decorate = adding(
        what_argument,
        click.option("--base", "--tree", "base", cls=Renamed, metavar="B", help=_BASE_HELP),
        click.option(
            "--tip", metavar="REV", help="Compare this commit of the repository with --base."
        ),
        click.option(
            "--without",
            multiple=True,
            metavar="COMMIT",
            help="Compare --tip with a base that has COMMIT reverted; may be given again.",
        ),
        repo_option,
        mail_choice_options,
        earlier_options,
    )
    return decorate(collected)  # type: ignore[return-value]


def _compared(named: Named, base: str | None, tip: str, without: tuple[str, ...]) -> "Given":
    """Return the two commits that the options name, and print them as one line."""
    from harness.cli.progress import watching
    from harness.events import Note
    from harness.series.what import compared

    if any(named._replace(repo=None)):
        raise InputError("given with WHAT", where="--tip", expected="one of them")
    with watching() as listen:
        found = compared(chosen_project(), chosen_cache(), named.repo, base, tip, without)
        listen(Note(found.note))
    click.get_current_context().meta[_REPOSITORY] = found.repository
    return found


def chosen_tree(given: "Given", base: str | None) -> str:
    """Return the name of the tree to apply patches to, and print why it is that."""
    from harness.series.source import Merged, Without

    if base is None and given.source is None:
        return DEFAULT_TREE
    if isinstance(given.source, Merged | Without):
        return f"{given.source.repository}@{given.source.tree}"
    return _chosen(given.slug, given.source, base)


def named_tree(name: str) -> str:
    """Return the tree that a user names, by a name without a path, and print what it is."""
    return _chosen("", None, name)


def _chosen(slug: str, source: "Source | None", asked: str | None) -> str:
    from harness.cli.progress import watching
    from harness.events import Note
    from harness.series.bases.choose import AS_ASKED, choose

    with watching() as listen:
        found = choose(
            chosen_project(),
            chosen_cache(),
            slug,
            source,
            asked=asked,
            default=DEFAULT_TREE,
            listen=listen,
        )
        if found.why != AS_ASKED:
            listen(Note(found.line))
    return found.tree


#: A series on a tree and how to build it; the command takes them as `kernels`.
kernel_options = adding(
    on_base,
    plan_option,
    build_options,
    grouped("kernels", KernelOptions),
)


def _choice_of_boots(command: F) -> F:
    @functools.wraps(command)
    def collected(*args: Any, **given: Any) -> Any:
        from harness.guest.accelerator import BootChoice

        chosen = {name: given.pop(name) for name in BootChoice.__struct_fields__}
        return command(*args, choice=BootChoice(**chosen), **given)

    return collected  # type: ignore[return-value]


def _share(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    number = value.removesuffix("%")
    try:
        share = float(number) / 100 if value else 0.0
    except ValueError:
        share = -1.0
    if not (value == "" or 0.1 <= share * 100 <= 50):
        raise InputError(f"no width {value!r}", where="--until", expected="0.1% to 50%, like 2%")
    return share


#: How kernels are booted; the command takes them as `choice`.
choice_options = adding(
    click.option(
        "--accelerator",
        type=click.Choice(["auto", "kvm", "tcg"]),
        default="auto",
        show_default=True,
        help="auto uses KVM only if it is proved to run this kernel.",
    ),
    click.option(
        "--patience",
        type=click.FloatRange(0.1, 1000),
        default=1.0,
        show_default=True,
        metavar="F",
        help="Multiply the deadlines of boots, which follow this machine's speed and load.",
    ),
    click.option(
        "--pin",
        default="auto",
        show_default=True,
        metavar="auto|CPU|none",
        help="CPU that the vCPU is bound to, with memory on its node; auto: a core under KVM.",
    ),
    click.option(
        "--until",
        callback=_share,
        default="",
        metavar="W%",
        help="Add boots until each ratio's interval is at most this share of it wide, like 2%.",
    ),
    _choice_of_boots,
)


def chosen_source(choice: "MailChoice", port: str | None, mbox: Path | None) -> "Source | None":
    """Return the source that the options name; None is the tree's port.

    Raises InputError if a port and another one are given.
    """
    from harness.series.source import Mails, Port, Posted

    if port is not None and (choice.version is not None or mbox is not None):
        raise InputError(
            "given together",
            where="--version, --port, --mbox",
            expected="one of them, or --version with --mbox",
        )
    if port is not None:
        return Port(port)
    if mbox is not None:
        return Mails(mbox, choice.version, choice.with_fixes)
    if choice.version is None:
        return None
    return Posted(choice.version, choice.archive, choice.with_fixes)


def claim_options(command: F) -> F:
    """Add --claim and --no-claims; the command takes them as `claims`."""

    @functools.wraps(command)
    def collected(*args: Any, stated: tuple[str, ...], no_claims: bool, **given: Any) -> Any:
        from harness.claims.letter import RunStatement
        from harness.claims.statement import parse_claims

        known = _metrics() if stated else ()
        claims = RunStatement(parse_claims(stated, known), no_claims)
        return command(*args, claims=claims, **given)

    decorate = adding(
        click.option(
            "--claim",
            "stated",
            multiple=True,
            metavar="CLAIM",
            help="Judge by this claim, instead of that of the cover letter or series.yaml about "
            "the same metric; may be given again. METRIC[@K]=P% or METRIC[@K]=BASE->TIPms[,P%]: "
            "after K patches, reduced by P %, or from BASE to TIP. METRIC=2.4x: 2.4 times better. "
            "METRIC=P% more: of what is better higher. METRIC=at most P% worse: a bound.",
        ),
        click.option(
            "--no-claims",
            is_flag=True,
            help="Leave out the claims of the cover letter and series.yaml.",
        ),
    )
    return decorate(collected)  # type: ignore[return-value]


def _metrics() -> tuple[str, ...]:
    from harness.project.project import Project

    return Project.find().metrics()


def gate_rule(text: str) -> "Rule":
    """Return the rule of a --gate option. Raises InputError."""
    from harness.judge.rule_syntax import parse_rule

    try:
        return parse_rule(text, _metrics())
    except ValueError as error:
        raise InputError(str(error), where="--gate") from error


def print_json(value: Any) -> None:
    """Print a value as indented JSON on stdout."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_rich(shown: "RenderableType") -> None:
    """Print tables and text of rich on stdout."""
    from rich.console import Console

    class Quiet(Console):
        """Raises if the reader has closed the pipe: rich would exit with 1, which is a verdict."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    Quiet(highlight=False).print(shown)
