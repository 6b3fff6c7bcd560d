# SPDX-License-Identifier: GPL-2.0-only
"""A YAML file as model objects; every error names file, line, key and what was expected.

A model object reports a wrong value as ValueError("KEY: what; expected …").
"""

import functools
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import yaml
from msgspec import inspect

from harness.errors import InputError

T = TypeVar("T")
Steps = tuple[str | int, ...]

#: More than any of our files needs; a larger one is a mistake or an attack.
MAX_BYTES = 1 << 20
#: How an author of YAML knows the types that msgspec names.
_TYPES = {
    "array": "a list",
    "bool": "true or false",
    "date": "a date like 2026-05-15",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "a mapping",
    "str": "text, in quotes if it looks like a number",
}
#: Keys of the entries of a list, by its name, that older files write otherwise.
_OLD_KEYS = {"claims": {"driver": "metric"}}
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\.\.\.)\]")


class _StrictLoader(yaml.SafeLoader):
    """Plain YAML, except that a key given twice is an error instead of a silent overwrite."""


def _mapping_without_doubles(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool) or key in seen:
            what = f"key {key!r}: given twice or not a plain key; expected each key once"
            raise yaml.constructor.ConstructorError(None, None, what, key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_doubles
)


class YamlFile:
    """The plain data of a YAML file's text, and the line of each key."""

    def __init__(self, path: Path, text: str) -> None:
        """Parse the text. Raises InputError if it is not valid YAML."""
        self.path = path
        try:
            loader = _StrictLoader(text)
            self._node = loader.get_single_node()
            _rename_old(self._node)
            self._data: Any = loader.construct_document(self._node) if self._node else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = f"{error.problem}"
            what = what if what.startswith("key ") else f"not valid YAML: {what}"
            raise self._error(mark.line + 1 if mark else 1, what) from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            what = f"not valid YAML: character {error.character:#x}: {error.reason}"
            raise self._error(line, what) from error
        except (RecursionError, ValueError) as error:
            # A number of thousands of digits, or a date that no calendar has.
            raise self._error(1, f"a value cannot be read: {error}") from error

    @classmethod
    def read(cls, path: Path) -> "YamlFile":
        """Read and parse a file. Raises InputError."""
        try:
            if path.stat().st_size > MAX_BYTES:
                raise InputError("file is over 1 MiB", where=str(path), expected="a short file")
            return _parsed(path, path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
        except UnicodeDecodeError as error:
            raise InputError("is not UTF-8 text", where=str(path)) from error

    @property
    def is_empty(self) -> bool:
        """Whether the file holds nothing but comments."""
        return self._data is None

    def load(self, kind: type[T], **given: object) -> T:
        """Return the data as a model object; `given` are its fields that the file may not set.

        Raises InputError.
        """
        for name in given:
            if isinstance(self._data, dict) and name in self._data:
                raise self._translated(f"Object contains unknown field `{name}`", kind, given)
        try:
            made: Any = msgspec.convert(self._data, kind, strict=True)
        except msgspec.ValidationError as error:
            raise self._translated(str(error), kind, given) from error
        return cast("T", msgspec.structs.replace(made, **given) if given else made)

    def error(
        self, steps: Steps, what: str, expected: str | None = None, hint: str | None = None
    ) -> InputError:
        """Return the error to raise about a key; `steps` lead to it from the top of the file."""
        node, line, key = self._node, 1, ""
        for step in steps:
            key += f"[{step}]" if isinstance(step, int) else f".{step}"
            node, line = _below(node, step, line)
        return self._error(
            line, f"key '{key.removeprefix('.')}': {what}" if key else what, expected, hint
        )

    def _error(
        self, line: int, what: str, expected: str | None = None, hint: str | None = None
    ) -> InputError:
        where = f"{self.path}:{line}"
        # A key or value may have a line break in it.
        what = "".join(c if c.isprintable() else repr(c)[1:-1] for c in what)
        return InputError(what, where=where, expected=expected, hint=hint or "see docs/series.md")

    def _translated(self, message: str, kind: Any, given: Collection[str]) -> InputError:
        """Return what msgspec says of the data, in terms of the file."""
        what, _, path = message.partition(" - at ")
        steps = self._steps(path.rpartition("`$")[2].rstrip("`"), kind, message)
        found = _type_at(inspect.type_info(kind), self._data, steps)
        fields = found.fields if isinstance(found, inspect.StructType) else ()
        names = [f.encode_name for f in fields if steps or f.encode_name not in given]
        if match := re.fullmatch(r"Object contains unknown field `(.*)`", what):
            return self.error((*steps, match[1]), "unknown key", "one of " + ", ".join(names))
        if match := re.fullmatch(r"Object missing required field `(.*)`", what):
            required = [f.encode_name for f in fields if f.required] or [match[1]]
            return self.error(
                (*steps, match[1]), "missing", "at least the keys " + ", ".join(required)
            )
        if match := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
            subject = "a key is" if path.startswith("`key`") else "is"
            actual = "text" if match[2] == "str" else _TYPES.get(match[2], match[2])
            wanted = [_TYPES.get(name, name) for name in match[1].split(" | ") if name != "null"]
            return self.error(steps, f"{subject} {actual}", " or ".join(wanted))
        if match := re.fullmatch(r"Invalid (?:enum )?value (.*)", what):
            return self.error(steps, f"unknown value {match[1]}", _choices(found))
        what = what.replace(
            "Invalid RFC3339 encoded date", f"not a date; expected {_TYPES['date']}"
        )
        key, colon, rest = what.partition(": ")
        if colon and key in names:
            steps, what = (*steps, key), rest
        what, _, expected = what.partition("; expected ")
        return self.error(steps, what, expected)

    def _steps(self, path: str, kind: Any, message: str) -> Steps:
        """Return the keys and indices of msgspec's path, where `[...]` is any key of a mapping.

        It is the first key whose value alone gives the same message.
        """
        steps: Steps = ()
        for name, index in _STEP.findall(path):
            if index != "...":
                steps += (int(index) if index else name,)
                continue
            mapping = self._data
            for step in steps:
                mapping = mapping[step]
            for key, value in mapping.items():
                alone = _replaced(self._data, steps, {key: value})
                try:
                    msgspec.convert(alone, kind, strict=True)
                except msgspec.ValidationError as error:
                    if str(error) == message:
                        steps += (key,)
                        break
        return steps


def _replaced(data: Any, steps: Steps, value: Any) -> Any:
    """Return a copy of the data with another value at `steps`."""
    if not steps:
        return value
    copy = data.copy()
    copy[steps[0]] = _replaced(data[steps[0]], steps[1:], value)
    return copy


def _rename_old(root: Any) -> None:
    """Rename the keys of _OLD_KEYS in a file's nodes, which keep their lines."""
    for key, entries in _items(root):
        renamed = _OLD_KEYS.get(key.value, {})
        for entry in entries.value if isinstance(entries, yaml.SequenceNode) else ():
            for name, _ in _items(entry):
                name.value = renamed.get(name.value, name.value)


def _items(node: Any) -> Iterator[tuple[yaml.ScalarNode, Any]]:
    """Yield the items of a mapping whose keys are plain."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode):
            yield key, value


@functools.lru_cache(maxsize=64)
def _parsed(path: Path, text: str) -> YamlFile:
    # A command asks for its series and trees several times.
    return YamlFile(path, text)


def _below(node: Any, step: str | int, line: int) -> tuple[Any, int]:
    """Return the node of a key or index and its line; None and `line` if there is none."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step], node.value[step].start_mark.line + 1
    return None, line


def _type_at(found: inspect.Type, data: Any, steps: Steps) -> inspect.Type:
    """Return the type that a model declares for the value at `steps`."""
    found = _alternative(found, data)
    for step in steps:
        if isinstance(found, inspect.StructType):
            found = next((f.type for f in found.fields if f.encode_name == step), found)
        elif isinstance(found, inspect.DictType):
            found = found.value_type
        elif isinstance(found, inspect.VarTupleType):
            found = found.item_type
        data = data[step]
        found = _alternative(found, data)
    return found


def _alternative(found: inspect.Type, data: Any) -> inspect.Type:
    """Return the type in a union that the data is of: a list, a mapping, or a struct by its tag."""
    for one in found.types if isinstance(found, inspect.UnionType) else ():
        if isinstance(one, inspect.VarTupleType) and isinstance(data, list):
            return one
        if (
            isinstance(one, inspect.StructType)
            and isinstance(data, dict)
            and (not one.tag_field or data.get(one.tag_field) == one.tag)
        ):
            return one
    return found


def _choices(found: inspect.Type) -> str:
    """Return the values that a type has: of literals, and the tags of structs."""
    choices: list[str] = []
    for one in found.types if isinstance(found, inspect.UnionType) else (found,):
        if isinstance(one, inspect.LiteralType):
            choices += map(str, one.values)
        elif isinstance(one, inspect.StructType):
            choices.append(str(one.tag))
        elif isinstance(one, inspect.IntType):
            choices.append("a whole number")
    return "one of " + ", ".join(choices)
