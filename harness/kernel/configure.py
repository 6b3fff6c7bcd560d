# SPDX-License-Identifier: GPL-2.0-only
"""Makes a .config in which every requested option is set, or fails."""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import InputError, ToolFailed, Unsupported
from harness.host.digest import value_digest
from harness.host.processes import venv
from harness.host.untrusted_folder import NotMade, UntrustedFolder
from harness.kernel.kconfig import Option, dropped, needs, parse_config, parse_fragment
from harness.kernel.make.kbuild import Make
from harness.project.kernel import Fragment, Recipe
from harness.project.project import Project

#: A file in the O= folder: what its .config was made from.
NOTE = "harness.configured"
CONFIG = ".config"


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a .config was made from, and its digest."""

    made_from: str
    sha256: str


def recipe(
    project: Project,
    fragments: Sequence[str],
    *,
    profile: str = "minimal",
    compiler: str = "gcc",
    arch: str = "x86_64",
) -> Recipe:
    """Return a recipe with the named fragments of configs/kconfig/. Raises InputError."""
    texts = tuple(Fragment(name, project.fragment(name).read_text()) for name in fragments)
    return Recipe(profile, texts, compiler, arch)


def ensure(make: Make, recipe: Recipe, made_from: str) -> None:
    """Configure unless the .config was made from the same inputs and has not changed since.

    `made_from` are all inputs beside the recipe. An unchanged .config saves seconds: make does not
    check all objects.
    """
    made_from = value_digest((made_from, recipe))
    with contextlib.suppress(NotMade, ValueError, msgspec.MsgspecError):
        found = msgspec.json.decode(make.output.data(NOTE), type=_Note)
        if found == _Note(made_from, _digest(make.output)):
            return
    make.output.remove(NOTE)
    configure(make, recipe)
    note = _Note(made_from, _digest(make.output))
    make.output.write(NOTE, msgspec.json.encode(note), durable=True)


def _digest(output: UntrustedFolder) -> str:
    return hashlib.sha256(output.data(CONFIG)).hexdigest()


def configure(make: Make, recipe: Recipe) -> dict[str, str]:
    """Write .config into the O= folder of `make` and return its options.

    Raises InputError naming the option that cannot be set and what dropped it.
    """
    wanted = _requested(recipe.fragments)
    text = "".join(f.text.rstrip("\n") + "\n" for f in recipe.fragments)
    joined = make.output.write("harness.config", text.encode())
    if recipe.profile == "vng":
        argv = [venv.installed("vng"), "--kconfig", "--force", "--config", str(joined)]
        make.run(argv, env={"KBUILD_OUTPUT": str(make.output.path), "PATH": venv.path()})
    else:
        _make_allnoconfig(make, joined)
    config = parse_config(make.output.text(CONFIG))
    lost = dropped((option for _, option in wanted), config)
    if lost:
        name, option = next(pair for pair in wanted if pair[1] == lost[0])
        raise _cannot_be_set(_Files(make.source, recipe.arch), name, option, config, len(lost))
    return config


def _make_allnoconfig(make: Make, joined: Path) -> None:
    """Raise Unsupported if the tree rejects the compiler (scripts/cc-version.sh)."""
    try:
        make(f"KCONFIG_ALLCONFIG={joined}", "allnoconfig")
    except ToolFailed as error:
        lines = [line.strip("* ") for line in (error.detail or "").splitlines()]
        facts = [" ".join(line.split()) for line in lines if line.startswith(("Your ", "Minimum "))]
        if any(line.endswith("is too old.") for line in lines):
            raise Unsupported(f"the compiler is too old: {', '.join(facts)}") from error
        raise


def _requested(fragments: Sequence[Fragment]) -> list[tuple[str, Option]]:
    """Return all options with their fragments' names. Raises InputError if two contradict."""
    found: dict[str, tuple[str, Option]] = {}
    for fragment in fragments:
        try:
            options = parse_fragment(fragment.text)
        except ValueError as error:
            raise InputError(
                str(error),
                where=_file(fragment.name),
                expected="CONFIG_NAME=value or # CONFIG_NAME is not set",
            ) from error
        for option in options:
            name, earlier = found.setdefault(option.name, (fragment.name, option))
            if earlier.value != option.value:
                raise InputError(
                    f"CONFIG_{option.name}={option.value} contradicts {_file(name)}:{earlier.line}",
                    where=f"{_file(fragment.name)}:{option.line}",
                    expected=f"{earlier.value} in both, or one of the two fragments only",
                )
    return list(found.values())


def _file(fragment: str) -> str:
    return f"configs/kconfig/{fragment}.config"


def _cannot_be_set(
    files: "_Files", fragment: str, option: Option, config: dict[str, str], nr_lost: int
) -> InputError:
    got = config.get(option.name, "n")
    entries = needs(files("Kconfig"), option.name, files)
    if not entries:
        why = f"this tree has no such option for {files.arch}"
    else:
        depends = "; or ".join(" && ".join(f"({e})" for e in n.expressions) for n in entries)
        why = f"it depends on {depends}" if depends else "it depends on nothing"
        if not any(need.has_prompt for need in entries):
            why += "; it has no prompt: only `select` and its default set it"
        unmet = {symbol for need in entries for symbol in need.unmet(config)}
        for state, names in (("not set", unmet - config.keys()), ("set", unmet & config.keys())):
            why += f"; {state}: {', '.join(sorted(names))}" if names else ""
    others = f" ({nr_lost - 1} more options were not set)" if nr_lost > 1 else ""
    return InputError(
        f"CONFIG_{option.name}={option.value} became {got}: {why}{others}",
        where=f"{_file(fragment)}:{option.line}",
        hint="add what it depends on to a fragment, or remove the option",
    )


class _Files:
    """Reads Kconfig files of a source folder by the names that `source` lines use."""

    def __init__(self, source: Path, arch: str) -> None:
        self.arch = arch
        self._source = source.resolve()
        self._folder = "x86" if arch in ("x86_64", "i386") else arch

    def __call__(self, name: str) -> str:
        """Return a file's text; empty if there is no such file."""
        file = (self._source / name.replace("$(SRCARCH)", self._folder)).resolve()
        if not file.is_relative_to(self._source) or not file.is_file():
            return ""
        return file.read_text(errors="replace")
