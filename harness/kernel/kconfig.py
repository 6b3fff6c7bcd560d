# SPDX-License-Identifier: GPL-2.0-only
"""Parses fragments, .config and Kconfig files: options and what they depend on. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

_SET = re.compile(r"CONFIG_(\w+)=(.+)")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")
_TOKEN = re.compile(r"""&&|\|\||!=|<=|>=|[!()=<>]|"[^"]*"|'[^']*'|\w+|\S""")
_SYMBOL = re.compile(r"\w*[A-Z]\w*")
_SOURCE = re.compile(r"""source\s+["']?([^"'#\s]+)""")
#: A line with an option's prompt, and its condition.
_PROMPT = re.compile(
    r"""(?:bool|tristate|string|hex|int|prompt)\s+("(?:[^"\\]|\\.)*"|'[^']*')(?:\s+if\s+(.+))?"""
)
_COMMENT = re.compile(r"""\s#[^"']*$""")
#: Deeper nesting than in any kernel's expressions.
_MAX_DEPTH = 32


class Option(msgspec.Struct, frozen=True):
    """An option in a fragment: `value` is `y`, `1000`, `"text"`, or `n` for not set."""

    name: str
    value: str
    line: int


class OptionNeed(msgspec.Struct, frozen=True):
    """The conditions of a `config` entry and of the blocks around it.

    An option without prompt is set by `select` and its default only, not by a fragment.
    """

    expressions: tuple[str, ...]
    has_prompt: bool = True

    def unmet(self, config: Mapping[str, str]) -> tuple[str, ...]:
        """Return the symbols whose values in `config` make an expression false, in order.

        An expression that cannot be parsed, or that a macro decides, has none.
        """
        values = (_Expression(e, config).value() for e in dict.fromkeys(self.expressions))
        return tuple(dict.fromkeys(s for v in values if v.holds is False for s in v.because))


class _Value(NamedTuple):
    """Whether an expression is true (None: unknown), and the symbols that decide it."""

    holds: bool | None
    because: tuple[str, ...] = ()

    def negated(self) -> "_Value":
        return _Value(None if self.holds is None else not self.holds, self.because)


def _all(values: list[_Value]) -> _Value:
    decisive = [v for v in values if v.holds is False] or [v for v in values if v.holds is None]
    because = tuple(s for v in decisive or values for s in v.because)
    return _Value(decisive[0].holds if decisive else True, because)


def _any(values: list[_Value]) -> _Value:
    return _all([v.negated() for v in values]).negated()


class _Expression:
    """Evaluates an expression (Documentation/kbuild/kconfig-language.rst) for a .config."""

    def __init__(self, text: str, config: Mapping[str, str]) -> None:
        self._tokens = _TOKEN.findall(text)[::-1]
        self._config = config
        self._depth = 0
        self._is_unread = False

    def value(self) -> _Value:
        value = self._any()
        # `depends on A if B` is `!B || A`.
        if self._take("if"):
            value = _any([self._any().negated(), value])
        return _Value(None) if self._tokens or self._is_unread else value

    def _take(self, token: str) -> bool:
        if self._tokens[-1:] != [token]:
            return False
        self._tokens.pop()
        return True

    def _any(self) -> _Value:
        values = [self._all()]
        while self._take("||"):
            values.append(self._all())
        return _any(values)

    def _all(self) -> _Value:
        values = [self._one()]
        while self._take("&&"):
            values.append(self._one())
        return _all(values)

    def _one(self) -> _Value:
        is_negated = False
        while self._take("!"):
            is_negated = not is_negated
        value = self._group() if self._take("(") else self._comparison()
        return value.negated() if is_negated else value

    def _group(self) -> _Value:
        # Unread tokens make the whole expression unknown.
        if self._depth == _MAX_DEPTH:
            return _Value(None)
        self._depth += 1
        value = self._any()
        self._depth -= 1
        return value if self._take(")") else _Value(None)

    def _comparison(self) -> _Value:
        symbol, value = self._operand()
        for operator in ("=", "!="):
            if self._take(operator):
                other_symbol, other = self._operand()
                is_known = None not in (value, other)
                holds = (value == other) is (operator == "=") if is_known else None
                return _Value(holds, symbol + other_symbol)
        return _Value(None if value is None else value != "n", symbol)

    def _operand(self) -> tuple[tuple[str, ...], str | None]:
        """Return the next operand: its symbol, if it is one, and its value (None: unknown)."""
        if not self._tokens or not re.match(r"""\w|["']""", self._tokens[-1]):
            self._is_unread = True
            return (), None
        token = self._tokens.pop()
        if _SYMBOL.fullmatch(token):
            return (token,), self._config.get(token, "n").strip('"')
        return (), token.strip("\"'")


def parse_fragment(text: str) -> tuple[Option, ...]:
    """Return a fragment's options. Raises ValueError with the line that is wrong."""
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
            raise ValueError(f"line {number}: {line!r} is not a CONFIG_… line")
        if option.name in found:
            first = found[option.name].line
            raise ValueError(f"line {number}: CONFIG_{option.name} is already set in line {first}")
        found[option.name] = option
    return tuple(found.values())


def parse_config(text: str) -> dict[str, str]:
    """Return the options that a .config sets."""
    matches = (_SET.fullmatch(line.strip()) for line in text.splitlines())
    return {m[1]: m[2] for m in matches if m}


def options(text: str) -> frozenset[str]:
    """Return a .config's lines that set an option or say that it is not set."""
    lines = (line.strip() for line in text.splitlines())
    return frozenset(line for line in lines if _SET.fullmatch(line) or _UNSET.fullmatch(line))


def dropped(wanted: Iterable[Option], config: Mapping[str, str]) -> tuple[Option, ...]:
    """Return the options that a .config does not have as wanted."""
    return tuple(o for o in wanted if config.get(o.name, "n") != o.value)


def needs(
    kconfig: str, name: str, included: Callable[[str], str] = lambda _: ""
) -> tuple[OptionNeed, ...]:
    """Return the conditions of each entry of option `name`.

    `included` returns the text of a file by the name in a `source` line.
    """
    reader = _KconfigReader(name)
    for line in _with_included(kconfig, included, set()):
        reader.read(line)
    reader.leave_entry()
    return tuple(reader.found)


def _with_included(text: str, included: Callable[[str], str], known: set[str]) -> Iterator[str]:
    """Yield a file's logical lines, with included files where they are first included."""
    texts = [iter(_logical_lines(text))]
    while texts:
        line = next(texts[-1], None)
        if line is None:
            texts.pop()
        elif (match := _SOURCE.match(line)) is None:
            yield line
        elif match[1] not in known:
            known.add(match[1])
            texts.append(iter(_logical_lines(included(match[1]))))


class _KconfigReader:
    """Collects the entries of one option from the lines of a Kconfig file."""

    def __init__(self, name: str) -> None:
        self.found: list[OptionNeed] = []
        self._name = name
        self._around: list[list[str]] = []  # the conditions of each open block
        self._entry: list[str] | None = None  # the conditions of the wanted entry, while in it
        self._has_prompt = False
        self._heading = False  # in a menu's head, where its own `depends on` may stand

    def read(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if line.startswith(("depends on ", "visible if ")):
            self._require(rest.partition(" ")[2].strip())
        elif word in ("config", "menuconfig"):
            self.leave_entry()
            if rest == self._name:
                self._entry = [condition for block in self._around for condition in block]
        elif word in ("if", "menu", "choice"):
            self.leave_entry()
            self._around.append([rest] if word == "if" else [])
            self._heading = word != "if"
        elif word in ("endif", "endmenu", "endchoice"):
            self.leave_entry()
            del self._around[-1:]
        elif self._entry is not None and (prompt := _PROMPT.match(line)):
            self._has_prompt = True
            self._entry += [prompt[2]] if prompt[2] else []

    def leave_entry(self) -> None:
        if self._entry is not None:
            self.found.append(OptionNeed(tuple(self._entry), self._has_prompt))
        self._entry = None
        self._has_prompt = self._heading = False

    def _require(self, expression: str) -> None:
        if self._entry is not None:
            self._entry.append(expression)
        elif self._heading:
            self._around[-1].append(expression)


def _logical_lines(text: str) -> Iterator[str]:
    """Yield lines without indentation, comments and help texts, continuation lines joined."""
    help_indent: int | None = None  # 0 until the help text's first line tells
    held = ""
    for raw in text.splitlines():
        stripped = raw.strip()
        indent = len(raw.expandtabs()) - len(raw.expandtabs().lstrip())
        if help_indent is not None and (not stripped or indent >= max(help_indent, 1)):
            help_indent = help_indent or (indent if stripped else 0)
            continue
        help_indent = None
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith("\\"):
            held += stripped[:-1]
            continue
        line, held = held + stripped, ""
        if line == "help":
            help_indent = 0
            continue
        yield " ".join(_COMMENT.sub("", line).split())
