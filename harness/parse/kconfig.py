# SPDX-License-Identifier: GPL-2.0-only
"""Kconfig text: fragments and .config files to options, Kconfig files to what an option needs."""

import re
from collections.abc import Iterable, Mapping

import msgspec

_SET = re.compile(r"CONFIG_(\w+)=(.+)")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")
_SYMBOL = re.compile(r"\b[A-Z0-9_]*[A-Z][A-Z0-9_]*\b")


class Option(msgspec.Struct, frozen=True):
    """An option as a fragment asks for it: `value` is `y`, `1000`, `"text"`, or `n` for not set."""

    name: str
    value: str
    line: int


class Need(msgspec.Struct, frozen=True):
    """What one `config` entry requires: its own `depends on` and those of the blocks around it."""

    expressions: tuple[str, ...]

    def unmet(self, config: Mapping[str, str]) -> tuple[str, ...]:
        """Return the symbols the expressions name that are not set in `config`, in order."""
        names = [s for e in self.expressions for s in _SYMBOL.findall(e)]
        return tuple(dict.fromkeys(n for n in names if config.get(n, "n") == "n"))


def parse_fragment(text: str) -> tuple[Option, ...]:
    """Return a fragment's options. Raises ValueError naming the line that is none."""
    found: dict[str, Option] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if match := _SET.fullmatch(line):
            option = Option(match[1], match[2], number)
        elif match := _UNSET.fullmatch(line):
            option = Option(match[1], "n", number)
        elif not line or line.startswith("#"):
            continue
        else:
            raise ValueError(f"line {number}: {line!r} is no CONFIG_… line")
        if option.name in found:
            first = found[option.name].line
            raise ValueError(f"line {number}: CONFIG_{option.name} was set in line {first} already")
        found[option.name] = option
    return tuple(found.values())


def parse_config(text: str) -> dict[str, str]:
    """Return what a .config sets; options that are not set are absent."""
    matches = (_SET.fullmatch(line.strip()) for line in text.splitlines())
    return {m[1]: m[2] for m in matches if m}


def options(text: str) -> frozenset[str]:
    """Return a .config's lines that set an option or say that it is not set, without comments."""
    lines = (line.strip() for line in text.splitlines())
    return frozenset(line for line in lines if _SET.fullmatch(line) or _UNSET.fullmatch(line))


def dropped(wanted: Iterable[Option], config: Mapping[str, str]) -> tuple[Option, ...]:
    """Return the options that did not stick."""
    return tuple(o for o in wanted if config.get(o.name, "n") != o.value)


def needs(kconfig: str, name: str) -> tuple[Need, ...]:
    """Return what each entry of option `name` in one Kconfig file requires, if it has entries."""
    reader = _Reader(name)
    for line in _logical_lines(kconfig):
        reader.read(line)
    reader.leave_entry()
    return tuple(reader.found)


class _Reader:
    """Follows the blocks of a Kconfig file and collects the entries of one option."""

    def __init__(self, name: str) -> None:
        self.found: list[Need] = []
        self._name = name
        self._around: list[str] = []  # the condition of each open block, "" where it has none
        self._entry: list[str] | None = None  # the conditions of the wanted entry, while in it
        self._heading = False  # in a menu's head, where its own `depends on` may stand

    def read(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "depends" and rest.startswith("on "):
            self._depend(rest.removeprefix("on ").strip())
        elif word in ("config", "menuconfig"):
            self.leave_entry()
            if rest.strip() == self._name:
                self._entry = [condition for condition in self._around if condition]
        elif word in ("if", "menu", "choice"):
            self.leave_entry()
            self._around.append(rest.strip() if word == "if" else "")
            self._heading = word != "if"
        elif word in ("endif", "endmenu", "endchoice"):
            self.leave_entry()
            del self._around[-1:]

    def leave_entry(self) -> None:
        if self._entry is not None:
            self.found.append(Need(tuple(self._entry)))
        self._entry = None
        self._heading = False

    def _depend(self, expression: str) -> None:
        if self._entry is not None:
            self._entry.append(expression)
        elif self._heading:
            earlier = self._around[-1]
            self._around[-1] = f"{earlier} && {expression}" if earlier else expression


def _logical_lines(text: str) -> Iterable[str]:
    """Lines without indentation, comments and help texts; continued ones joined."""
    help_indent: int | None = None
    held = ""
    for raw in text.splitlines():
        stripped = raw.strip()
        indent = len(raw.expandtabs()) - len(raw.expandtabs().lstrip())
        if help_indent is not None and (not stripped or indent >= help_indent > 0):
            continue
        help_indent = None
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith("\\"):
            held += stripped[:-1]
            continue
        line, held = held + stripped, ""
        if line == "help":
            # The help text is indented at least as deep as its first line, deeper than `help`.
            help_indent = indent + 1
            continue
        yield line
