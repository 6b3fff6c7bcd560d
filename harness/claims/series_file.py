# SPDX-License-Identifier: GPL-2.0-only
"""Reads the text of a series.yaml and returns it with the claims of mails added.

ruamel.yaml preserves comments, quotation marks and blank lines, but not line breaks within
brackets, nor indentation other than two columns.
"""

import datetime
import io
import itertools
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

from harness.claims.claims import Posting
from harness.project.claim import Claim, Figures, PostedNumber
from harness.project.series import Version

Additions = Mapping[str, Any]

#: Index of the comment after an item, in ruamel's comment list of a node.
_PLACE = {CommentedSeq: 0, CommentedMap: 2}
#: Keys that identify an entry of a list.
_IDENTITIES = {
    "versions": ("version",),
    "claims": ("version", "metric", "driver", "after_patch", "setup"),
}
#: Time zones: the day in a mail's Date may differ from the archive's.
_A_DAY = datetime.timedelta(days=1)
#: Text that needs no quotation marks; YAML 1.1 reads some words as booleans or null.
_WORD = re.compile(
    r"(?!(?:true|false|yes|no|on|off|null|[yn])$)[a-z]\w*(?:[-./@]\w+)*", re.I | re.A
)
NEW_FILE = """\
# SPDX-License-Identifier: GPL-2.0-only
# Imported from the posted mails by `harness series import`: figures in milliseconds.
title: null
function: null
object: null
# The posted version that the patches under ports/ implement.
port_of: null
"""


class Contradiction(ValueError):
    """The file has `there` for `key` at `line`, not `here`."""

    def __init__(self, line: int, key: str, there: object, here: object) -> None:
        super().__init__(f"{key} is {there} in line {line}, not {here}")
        self.line = line
        self.key = key
        self.there = there
        self.here = here


class Unmergeable(ValueError):
    """The file cannot take the additions without a loss."""


def merge(text: str, additions: Additions) -> str:
    """Return the text with the additions merged in; the same text if it has all of them.

    Mappings gain keys, lists gain items, and null is replaced; nothing else changes. A Decimal is
    written with all its digits. Raises Contradiction, Unmergeable.
    """
    try:
        before = yaml.safe_load(text)
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise Unmergeable("has an alias (*)")
        additions = _in_its_keys(additions, before)
        merged = _round_trip(text, additions)
        after = yaml.safe_load(merged)
        if after == before:
            return text
        lost = Counter(_comments(text)) - Counter(_comments(merged))
    except (yaml.YAMLError, YAMLError) as error:
        raise Unmergeable(f"cannot take additions: {error}") from error
    if lost:
        raise Unmergeable(f"would lose the comment {next(iter(lost))!r}")
    if not (_has(after, before) and _has(after, _plain(additions))):
        raise Unmergeable("would change its meaning")
    return merged


def _in_its_keys(additions: Additions, there: Any) -> Additions:
    """Return additions in which claims that the file has name their metric as it does: `driver`."""
    entries = there.get("claims") if isinstance(there, dict) else ()
    entries = entries if isinstance(entries, list) else ()
    known = [claim for claim in entries if isinstance(claim, dict) and "driver" in claim]
    old = {_identity(claim, "driver") for claim in known}
    claims = [
        {"driver" if key == "metric" else key: value for key, value in claim.items()}
        if _identity(claim, "metric") in old
        else claim
        for claim in additions.get("claims", ())
    ]
    return {**additions, "claims": claims} if known else additions


def _identity(claim: Mapping[str, Any], metric: str) -> tuple[object, ...]:
    return tuple(map(repr, map(claim.get, ("version", metric, "after_patch", "setup"))))


def additions(
    posting: Posting, claims: Sequence[Claim], base: str, known: Version | None
) -> Additions:
    """Return the entries for a posting and its claims; `known` is the file's version, if any."""
    number = claims[0].version
    version: dict[str, Any] = {
        "version": number,
        "date": posting.date,
        "patches": posting.patches,
        "base": base,
        "cover": posting.cover,
    }
    if known is not None and known.cover and not posting.has_cover:
        # b4 fetches a thread by any of its mails, so another id is not a contradiction.
        version["cover"] = None
    days = (known.date, posting.date) if known is not None else (None, None)
    if days[0] and days[1] and abs(days[0] - days[1]) <= _A_DAY:
        version["date"] = None
    return {"versions": [version], "claims": [_claim(claim) for claim in claims]}


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "version": claim.version,
        "metric": claim.metric,
        "guest": claim.guest or None,
        "rebinds": claim.rebinds,
        "after_patch": claim.after_patch,
        "setup": claim.setup,
        "reduction_percent": _decimal(claim.reduction),
        "increase_percent": claim.increase_percent,
        "times": claim.times,
        "at_most_worse_percent": claim.at_most_worse_percent,
        "percent_decimals": claim.percent_decimals,
        "unit": None if claim.unit == "ms" else claim.unit,
        "resolution_ms": None if claim.resolution_ms == 1 else claim.resolution_ms,
        "base": _figures(claim.base),
        "tip": _figures(claim.tip),
        "quotes": list(claim.quotes) or None,
    }


def _figures(figures: Figures | None) -> dict[str, Any] | None:
    if figures is None:
        return None
    first = None if figures.first_ms is None else _decimal(PostedNumber.of(figures.first_ms))
    mean = _decimal(figures.mean)
    key = "mean_ms" if figures.value is None else "value"
    return {"first_ms": first, key: mean, "mean_decimals": figures.mean_decimals}


def _decimal(posted: PostedNumber | None) -> Decimal | None:
    """Return a number with its posted digits."""
    return None if posted is None else Decimal(str(posted))


def _round_trip(text: str, additions: Additions) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    ruamel = YAML()
    ruamel.preserve_quotes = True
    ruamel.width = sys.maxsize
    ruamel.representer.add_representer(
        type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    root = ruamel.load(text.replace("\r\n", "\n"))
    if not isinstance(root, CommentedMap):
        raise Unmergeable("has no keys")
    lists = [value for value in root.values() if isinstance(value, CommentedSeq)]
    offset = lists[0].lc.col if lists and not lists[0].fa.flow_style() else 2
    ruamel.indent(mapping=2, sequence=offset + 2, offset=offset)
    _join(root, additions, "")
    out = io.StringIO()
    ruamel.dump(root, out)
    return out.getvalue().replace("\n", newline)


def _join(node: CommentedMap, new: Mapping[str, Any], where: str) -> None:
    """Add to a mapping what it lacks of another."""
    for key, value in new.items():
        called, there = f"{where} {key}".strip(), node.get(key)
        if value is None or value == []:
            continue
        if there is None:
            _add(node, key, value)
        elif isinstance(there, CommentedMap) and isinstance(value, Mapping):
            _join(there, value, called)
        elif isinstance(there, CommentedSeq) and isinstance(value, list):
            _join_items(there, value, key, called)
        elif isinstance(value, Mapping | list):
            expected = "list" if isinstance(value, list) else "mapping"
            raise Unmergeable(f"key {called} is not a {expected}")
        elif there != _plain(value):
            raise Contradiction(node.lc.value(key)[0] + 1, called, there, value)


def _join_items(node: CommentedSeq, new: Sequence[Any], key: str, called: str) -> None:
    identity = _IDENTITIES.get(key)
    if identity and not all(isinstance(item, CommentedMap) for item in node):
        raise Unmergeable(f"key {called} is not a list of mappings")
    for item in new:
        same = (n for n in node if identity and all(n.get(k) == item.get(k) for k in identity))
        there = next(same, None)
        if there is not None:
            names = (f"{k} {item[k]}" for k in identity or () if item.get(k) is not None)
            _join(there, item, f"{called} ({', '.join(names)})")
        elif item not in node:
            _add(node, len(node), item)


def _add(node: CommentedMap | CommentedSeq, key: Any, value: Any) -> None:
    """Put a value at the end of a node, or in place of null.

    ruamel attaches the comments below a node's last line to that line; they move below the new one.
    """
    is_root_list = isinstance(value, list) and key in _IDENTITIES
    is_last = not is_root_list and key not in node if isinstance(node, CommentedMap) else True
    below = _cut_below(node) if is_last and node else ""
    if isinstance(node, CommentedSeq):
        node.append(_tree(value, is_item=True))
    else:
        node[key] = _tree(value)
    if is_root_list:
        node.yaml_set_comment_before_after_key(key, before="\n")
    if below:
        owner, last = _last(node)
        slot = owner.ca.items.setdefault(last, [None] * 4)
        slot[_PLACE[type(owner)]] = CommentToken(f"\n{below}", CommentMark(0), None)


def _cut_below(node: CommentedMap | CommentedSeq) -> str:
    owner, key = _last(node)
    slot = owner.ca.items.get(key)
    token = slot[_PLACE[type(owner)]] if slot else None
    if token is None:
        return ""
    beside, _, below = token.value.partition("\n")
    if beside:
        token.value = f"{beside}\n"
    else:
        slot[_PLACE[type(owner)]] = None
    return str(below)


def _last(node: Any) -> tuple[Any, Any]:
    """Return the innermost node that ends with a node's last line, and its last key."""
    key = len(node) - 1 if isinstance(node, CommentedSeq) else next(reversed(node))
    value = node[key]
    if isinstance(value, CommentedMap | CommentedSeq) and value and not value.fa.flow_style():
        return _last(value)
    return node, key


def _tree(value: Any, *, is_item: bool = False) -> Any:
    """Return a value as ruamel writes it: one key per line in an item, mappings below in braces."""
    if isinstance(value, Mapping):
        made = CommentedMap((k, _tree(v)) for k, v in value.items() if v is not None)
        if not is_item:
            made.fa.set_flow_style()
        return made
    if isinstance(value, list):
        return CommentedSeq(_tree(item, is_item=True) for item in value)
    if isinstance(value, Decimal):
        return YAML().load(f"{value:f}")
    if isinstance(value, str) and not _WORD.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value


def _plain(value: Any) -> Any:
    """Return a value as it is loaded from YAML."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def _has(whole: Any, part: Any) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(_has(whole.get(key), value) for key, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) >= len(part) and all(any(_has(w, p) for w in whole) for p in part)
    return part is None or part == [] or bool(whole == part)


def _comments(text: str) -> list[str]:
    """Return the comments, which a scanner skips between the tokens."""
    pairs = itertools.pairwise(yaml.scan(text))
    gaps = (text[one.end_mark.index : two.start_mark.index] for one, two in pairs)
    return [comment.rstrip() for gap in gaps for comment in re.findall("#.*", gap)]
