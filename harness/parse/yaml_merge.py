# SPDX-License-Identifier: GPL-2.0-only
"""Additions to a YAML file that a person keeps: as text, so that comments and layout stay.

Lists of mappings under top-level keys grow by items, and items that are there grow by keys. What
the file says already must be the same; nothing of it is changed but null.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import yaml

from harness.parse.yaml_text import flow, item_lines, piece_lines

Additions = Mapping[str, Sequence[Mapping[str, Any]]]
Identities = Mapping[str, Sequence[str]]


class Contradiction(ValueError):
    """The file says something else: at `line` it has `there` for `key`, not `here`."""

    def __init__(self, line: int, key: str, there: object, here: object) -> None:
        super().__init__(f"{key} is {there} in line {line}, not {here}")
        self.line = line
        self.key = key
        self.there = there
        self.here = here


class Unmergeable(ValueError):
    """The file is laid out in a way that additions cannot be written into."""


def merge(text: str, additions: Additions, identities: Identities) -> str:
    """Return the text with the items of each list added to it, or joined with those it has.

    `additions` has the items by top-level key; `identities` the keys that tell whether two items
    are the same one, where one that is missing counts as null. Numbers given as Decimal are written
    with all their digits. Raises Contradiction, Unmergeable.
    """
    try:
        return _Merger(text).merge(additions, identities)
    except yaml.YAMLError as error:
        raise Unmergeable(f"cannot take additions: {error}") from error


class _Merger:
    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        #: What replaces text[start:end].
        self.edits: dict[tuple[int, int], str] = {}

    def merge(self, additions: Additions, identities: Identities) -> str:
        root = yaml.compose(self.text, Loader=yaml.SafeLoader)
        if not isinstance(root, yaml.MappingNode) or root.flow_style:
            raise Unmergeable("holds no keys, one a line")
        expected = _data(root)
        for key, items in additions.items():
            if not items:
                continue
            self._list(root, key, items, identities[key])
            expected[key] = _joined_items(expected.get(key), items, identities[key])
        merged = self.text
        for (start, end), new in sorted(self.edits.items(), reverse=True):
            merged = merged[:start] + new + merged[end:]
        # Anchors and the like: what was written must be what was meant.
        if yaml.safe_load(merged) != expected:
            raise Unmergeable("is laid out in a way that additions cannot be written into")
        return merged

    def _edit(self, start: int, end: int, new: str) -> None:
        self.edits[start, end] = self.edits.get((start, end), "") + new

    def _list(
        self,
        root: yaml.MappingNode,
        key: str,
        items: Sequence[Mapping[str, Any]],
        identity: Sequence[str],
    ) -> None:
        node = next((value for name, value in root.value if name.value == key), None)
        known = node.value if isinstance(node, yaml.SequenceNode) else []
        if known and not all(isinstance(item, yaml.MappingNode) for item in known):
            raise Unmergeable(f"has a list {key} of something else than mappings")
        new = []
        for item in items:
            there = next((n for n in known if _same(_data(n), item, identity)), None)
            if there is None:
                new.append(item)
            else:
                self._mapping(there, item, f"{key} ({_called(item, identity)})")
        if new:
            self._append(node, key, new)

    def _append(self, node: yaml.Node | None, key: str, new: Sequence[Mapping[str, Any]]) -> None:
        column = 2
        if isinstance(node, yaml.SequenceNode) and node.value:
            if node.flow_style:
                raise Unmergeable(f"has {key} in brackets: write one item a line, with a dash")
            column = node.start_mark.column
        lines = [line for item in new for line in item_lines(item, column)]
        block = "".join(self.newline + line for line in lines)
        if node is None:
            end = len(self.text)
            gap = "" if self.text.endswith("\n") or not self.text else self.newline
            self._edit(end, end, f"{gap}{self.newline}{key}:{block}{self.newline}")
        elif isinstance(node, yaml.SequenceNode) and node.value:
            end = self._end_of_line(node)
            self._edit(end, end, block)
        elif _data(node) in (None, []):
            start = len(self.text[: node.start_mark.index].rstrip(" "))
            self._edit(start, node.end_mark.index, block)
        else:
            raise Unmergeable(f"has a {key} that is no list")

    def _mapping(self, node: yaml.MappingNode, new: Mapping[str, Any], where: str) -> None:
        """Join two mappings: what only the new one has goes in, what both have must be equal."""
        known = {name.value: value for name, value in node.value}
        missing = {k: v for k, v in new.items() if k not in known and v is not None}
        for key, value in new.items():
            there = known.get(key)
            if there is None or value is None or _data(there) == _number(value):
                continue
            if isinstance(there, yaml.MappingNode) and isinstance(value, Mapping):
                self._mapping(there, value, f"{where} {key}")
            elif isinstance(there, yaml.SequenceNode) and isinstance(value, Sequence):
                self._scalars(there, value, f"{where} {key}")
            elif _data(there) is None:
                self._edit(there.start_mark.index, there.end_mark.index, f" {flow(value)}")
            else:
                line = there.start_mark.line + 1
                raise Contradiction(line, f"{where} {key}", _data(there), flow(value))
        if not missing:
            return
        if node.flow_style:
            indent = self.newline + " " * (node.start_mark.column + 1)
            pieces = [indent.join(piece_lines(key, value)) for key, value in missing.items()]
            self._insert_flow(node, pieces)
            return
        end, column = self._end_of_line(node), node.start_mark.column
        for key, value in missing.items():
            self._edit(end, end, f"{self.newline}{' ' * column}{key}: {flow(value)}")

    def _scalars(self, node: yaml.SequenceNode, new: Sequence[Any], where: str) -> None:
        """Add to a list of quotations those that it lacks."""
        known = _data(node)
        missing = [flow(value) for value in new if value not in known]
        if not node.value or node.flow_style:
            self._insert_flow(node, missing)
            return
        end, column = self._end_of_line(node), node.start_mark.column
        for value in missing:
            self._edit(end, end, f"{self.newline}{' ' * column}- {value}")

    def _insert_flow(self, node: yaml.CollectionNode, new: Sequence[str]) -> None:
        indent = self.newline + " " * (node.start_mark.column + 1)
        if node.value:
            end = _end(node.value[-1])
            self._edit(end, end, "".join(f",{indent}{text}" for text in new))
        else:
            start = node.start_mark.index + 1
            self._edit(start, start, f",{indent}".join(new))

    def _end_of_line(self, node: yaml.Node) -> int:
        """Where the line ends that a node's last word stands in, with its comment."""
        last = _end(node)
        while self.text[last - 1] in "\r\n":
            last -= 1
        end = self.text.find(self.newline, last)
        return len(self.text) if end < 0 else end


def _end(node: Any) -> int:
    """Where a node's last word ends; PyYAML counts what follows as part of a block."""
    if isinstance(node, tuple):
        return _end(node[1])
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    end = node.end_mark.index
    assert isinstance(end, int)  # noqa: S101 (composed from a string)
    return end


def _data(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _number(value: Any) -> Any:
    """A value as it loads again."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {k: _number(v) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [_number(v) for v in value]
    return value


def _same(there: Mapping[str, Any], item: Mapping[str, Any], identity: Sequence[str]) -> bool:
    return all(there.get(key) == item.get(key) for key in identity)


def _called(item: Mapping[str, Any], identity: Sequence[str]) -> str:
    return ", ".join(f"{key} {item[key]}" for key in identity if item.get(key) is not None)


def _joined_items(
    known: Any, items: Sequence[Mapping[str, Any]], identity: Sequence[str]
) -> list[dict[str, Any]]:
    joined = [dict(item) for item in known or []]
    for item in items:
        plain = _number(item)
        there = next((one for one in joined if _same(one, plain, identity)), None)
        if there is None:
            joined.append(plain)
        else:
            there.update(_joined(there, plain))
    return joined


def _joined(there: Any, new: Any) -> Any:
    if isinstance(there, Mapping) and isinstance(new, Mapping):
        return {**there, **{k: _joined(there.get(k), v) for k, v in new.items()}}
    if isinstance(there, list) and isinstance(new, list):
        return there + [value for value in new if value not in there]
    return new if there is None else there
