# SPDX-License-Identifier: GPL-2.0-only
"""What mails promise, added to the text of series/<slug>/series.yaml, or as a new such file.

ruamel.yaml keeps comments, quotation marks and blank lines. It does not keep line breaks within
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

#: By what two entries of a list are the same one.
_IDENTITIES = {"versions": ("version",), "claims": ("version", "driver", "after_patch")}
#: What a mail's Date and the day it was posted by may differ in: time zones.
_A_DAY = datetime.timedelta(days=1)
#: Words that need no quotation marks; YAML 1.1 takes some of them for something else.
_WORD = re.compile(
    r"(?!(?:true|false|yes|no|on|off|null|[yn])$)[a-z]\w*(?:[-./@]\w+)*", re.I | re.A
)
_NEW = """\
# SPDX-License-Identifier: GPL-2.0-only
# What was posted, as `harness series import` found it in the mails: figures in milliseconds.
title: null
function: null
object: null
# The version that patches under ports/ answer to.
port_of: null
"""


class Contradiction(ValueError):
    """The file says something else: at `line` it has `there` for `key`, not `here`."""

    def __init__(self, line: int, key: str, there: object, here: object) -> None:
        super().__init__(f"{key} is {there} in line {line}, not {here}")
        self.line = line
        self.key = key
        self.there = there
        self.here = here


class Unmergeable(ValueError):
    """Additions cannot be written into the file without a loss."""


def merge(text: str, additions: Additions) -> str:
    """Return the text with additions joined in; the same text where it says all of them already.

    Mappings gain keys and lists gain items; nothing that is there changes but null. Numbers given
    as Decimal are written with all their digits. Raises Contradiction, Unmergeable.
    """
    try:
        before = yaml.safe_load(text)
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise Unmergeable("uses an anchor twice")
        merged = _round_trip(text, additions)
        after = yaml.safe_load(merged)
        lost = Counter(_comments(text)) - Counter(_comments(merged))
    except (yaml.YAMLError, YAMLError) as error:
        raise Unmergeable(f"cannot take additions: {error}") from error
    if lost:
        raise Unmergeable(f"would lose the comment {next(iter(lost))!r}")
    if not (_has(after, before) and _has(after, _plain(additions))):
        raise Unmergeable("would not say the same with the additions")
    return merged


def additions(
    posting: Posting, claims: Sequence[Claim], base: str, known: Version | None
) -> Additions:
    """Return the entries that keep a posting and its claims; `known` is its version's, if any."""
    number = claims[0].version
    version: dict[str, Any] = {
        "version": number,
        "date": posting.date,
        "patches": posting.patches,
        "base": base,
        "cover": posting.cover,
    }
    if known is not None and known.cover and not posting.has_cover:
        # Any mail of a thread fetches it: another one's id is no contradiction.
        version["cover"] = None
    days = (known.date, posting.date) if known is not None else (None, None)
    if days[0] and days[1] and abs(days[0] - days[1]) <= _A_DAY:
        version["date"] = None
    return {"versions": [version], "claims": [_claim(claim) for claim in claims]}


def new_file(entries: Additions, *, title: str, function: str, object_: str, port_of: int) -> str:
    """Return the text of a series' file that has just these entries."""
    said = {"title": title, "function": function, "object": object_, "port_of": port_of}
    return merge(_NEW, {**said, **entries})


def versions_like(posting: Posting, known: Sequence[Claim]) -> list[int]:
    """Return the posted versions whose claims have all figures that a posting's have."""
    return [
        version
        for version in sorted({claim.version for claim in known})
        if posting.claims
        and posting.version in (None, version)
        and all(
            any(_has_all(there, claim) for there in known if there.version == version)
            for claim in posting.claims
        )
    ]


def _has_all(there: Claim, claim: Claim) -> bool:
    if (there.driver, there.after_patch) != (claim.driver, claim.after_patch):
        return False
    builds = ((there.base, claim.base), (there.tip, claim.tip))
    return claim.tip is not None and all(
        new is None or (old is not None and old.mean_ms == new.mean_ms) for old, new in builds
    )


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "version": claim.version,
        "driver": claim.driver,
        "guest": claim.guest,
        "rebinds": claim.rebinds,
        "after_patch": claim.after_patch,
        "reduction_percent": _decimal(claim.reduction),
        "percent_decimals": claim.percent_decimals,
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
    return {"first_ms": first, "mean_ms": mean, "mean_decimals": figures.mean_decimals}


def _decimal(posted: PostedNumber | None) -> Decimal | None:
    """A number with the digits it was posted with."""
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
        raise Unmergeable("holds no keys")
    lists = [value for value in root.values() if isinstance(value, CommentedSeq)]
    offset = lists[0].lc.col if lists and not lists[0].fa.flow_style() else 2
    ruamel.indent(mapping=2, sequence=offset + 2, offset=offset)
    if not _join(root, additions, ""):
        return text
    out = io.StringIO()
    ruamel.dump(root, out)
    return out.getvalue().replace("\n", newline)


def _join(node: CommentedMap, new: Mapping[str, Any], where: str) -> bool:
    """Add to a mapping what it lacks of another; return whether anything was."""
    is_changed = False
    for key, value in new.items():
        called, there = f"{where} {key}".strip(), node.get(key)
        if value is None or value == []:
            continue
        if there is None:
            _add(node, key, value)
            is_changed = True
        elif isinstance(there, CommentedMap) and isinstance(value, Mapping):
            is_changed |= _join(there, value, called)
        elif isinstance(there, CommentedSeq) and isinstance(value, list):
            is_changed |= _join_items(there, value, key, called)
        elif isinstance(value, Mapping | list):
            expected = "list" if isinstance(value, list) else "mapping"
            raise Unmergeable(f"key {called} is not a {expected}")
        elif there != _plain(value):
            raise Contradiction(node.lc.value(key)[0] + 1, called, there, value)
    return is_changed


def _join_items(node: CommentedSeq, new: Sequence[Any], key: str, called: str) -> bool:
    is_changed = False
    identity = _IDENTITIES.get(key)
    if identity and not all(isinstance(item, CommentedMap) for item in node):
        raise Unmergeable(f"key {called} is not a list of mappings")
    for item in new:
        same = (n for n in node if identity and all(n.get(k) == item.get(k) for k in identity))
        there = next(same, None)
        if there is not None:
            names = (f"{k} {item[k]}" for k in identity or () if item.get(k) is not None)
            is_changed |= _join(there, item, f"{called} ({', '.join(names)})")
        elif item not in node:
            _add(node, len(node), item)
            is_changed = True
    return is_changed


def _add(node: CommentedMap | CommentedSeq, key: Any, value: Any) -> None:
    """Put a value at the end of a node, or in place of null.

    ruamel has the comments below a node's last line with that line: they go below the new one.
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
        slot[_place(owner)] = CommentToken(f"\n{below}", CommentMark(0), None)


def _cut_below(node: CommentedMap | CommentedSeq) -> str:
    owner, key = _last(node)
    slot = owner.ca.items.get(key)
    token = slot[_place(owner)] if slot else None
    if token is None:
        return ""
    beside, _, below = token.value.partition("\n")
    if beside:
        token.value = f"{beside}\n"
    else:
        slot[_place(owner)] = None
    return str(below)


def _last(node: Any) -> tuple[Any, Any]:
    """Return the innermost node that ends with a node's last line, and its last key."""
    key = len(node) - 1 if isinstance(node, CommentedSeq) else next(reversed(node))
    value = node[key]
    if isinstance(value, CommentedMap | CommentedSeq) and value and not value.fa.flow_style():
        return _last(value)
    return node, key


def _place(node: CommentedMap | CommentedSeq) -> int:
    """Return where ruamel keeps the comment behind an item."""
    return 0 if isinstance(node, CommentedSeq) else 2


def _tree(value: Any, *, is_item: bool = False) -> Any:
    """Return a value as ruamel writes it: an item's keys one a line, the figures of one in one."""
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
    """Return a value as it loads again."""
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
    """Return the comments: what a scanner skips between the tokens."""
    pairs = itertools.pairwise(yaml.scan(text))
    gaps = (text[one.end_mark.index : two.start_mark.index] for one, two in pairs)
    return [comment.rstrip() for gap in gaps for comment in re.findall("#.*", gap)]
