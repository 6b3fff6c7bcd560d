# SPDX-License-Identifier: GPL-2.0-only
import datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.claims.series_file import Contradiction, Unmergeable, merge

#: In a layout that is preserved byte for byte.
FILE = """\
# A file that a person edits.
title: 'a series'  # its title

versions:
  - {version: 1, date: 2026-05-15, base: v7.1-rc3}
  # The second has no date.
  - version: 2  # posted
    base: v7.1-rc3
    cover: null

# By metric.
claims:  # figures
  - {version: 1, metric: nd_pmem, base: {mean_ms: 273.52}}  # only one build

  - version: 1   # written otherwise
    metric: dax_pmem
    tip:
      mean_ms: 116.93   # a mean
    # the end
"""


def add(text: str, **additions: list[dict[str, Any]]) -> str:
    merged = merge(text, additions)
    assert merge(merged, additions) == merged
    return merged


def claims(text: str) -> list[dict[str, Any]]:
    found = yaml.safe_load(text)["claims"] or []
    assert isinstance(found, list)
    return found


def test_new_items_are_appended_and_nothing_else_changes() -> None:
    new = {"version": 2, "metric": "nd_pmem", "base": {"mean_ms": Decimal("180.00")}}
    merged = add(FILE, claims=[new], versions=[{"version": 3, "date": datetime.date(2026, 5, 26)}])
    version = "  - version: 3\n    date: 2026-05-26\n"
    claim = "  - version: 2\n    metric: nd_pmem\n    base: {mean_ms: 180.00}\n"
    assert merged == FILE.replace("\n\n# By", f"\n{version}\n# By").replace(
        "    # the end", f"{claim}    # the end"
    )


def test_an_older_file_keeps_its_word_for_a_metric() -> None:
    old = FILE.replace("metric:", "driver:")
    known = {"version": 1, "metric": "dax_pmem", "tip": {"first_ms": Decimal("7")}}
    merged = add(old, claims=[known, {"version": 2, "metric": "dax_pmem"}])
    claim = "  - version: 2\n    metric: dax_pmem\n"
    assert merged == old.replace("  # a mean", "  # a mean\n      first_ms: 7").replace(
        "    # the end", f"{claim}    # the end"
    )
    with pytest.raises(Contradiction, match=r"claims \(version 1, driver dax_pmem\) tip mean_ms"):
        add(old, claims=[{"version": 1, "metric": "dax_pmem", "tip": {"mean_ms": 116.94}}])


def test_equal_entries_change_nothing() -> None:
    same = {"version": 1, "metric": "nd_pmem", "base": {"mean_ms": Decimal("273.520")}}
    assert add(FILE, claims=[same], versions=[{"version": 1, "base": "v7.1-rc3"}]) == FILE


def test_missing_keys_are_added_and_nothing_else_changes() -> None:
    merged = add(
        FILE,
        versions=[{"version": 2, "cover": "a@example.org", "patches": 7}],
        claims=[
            {
                "version": 1,
                "metric": "dax_pmem",
                "base": {"mean_ms": 313.45},
                "tip": {"first_ms": 1286},
                "quotes": ["one: 1", "yes"],
            },
        ],
    )
    more = '    base: {mean_ms: 313.45}\n    quotes:\n      - "one: 1"\n      - "yes"\n'
    assert merged == FILE.replace(
        "cover: null\n", "cover: a@example.org\n    patches: 7\n"
    ).replace("# a mean\n", f"# a mean\n      first_ms: 1286\n{more}")


def test_an_item_in_braces_stays_in_braces_with_its_comment() -> None:
    new = {"version": 1, "metric": "nd_pmem", "base": {"first_ms": 1486}, "quotes": ["one: 1"]}
    merged = add(FILE, claims=[new])
    grown = '{mean_ms: 273.52, first_ms: 1486}, quotes: ["one: 1"]} # only one build'
    assert merged == FILE.replace("{mean_ms: 273.52}}  # only one build", grown)


def test_lines_in_brackets_are_joined() -> None:
    text = "claims:\n  - {version: 9,\n     metric: b}  # nine\n"
    merged = add(text, claims=[{"version": 1, "metric": "a"}])
    assert merged == (
        "claims:\n  - {version: 9, metric: b} # nine\n  - version: 1\n    metric: a\n"
    )


def test_quotes_are_added_to_existing_ones() -> None:
    new = [{"version": 1, "metric": "x", "quotes": ["b: 2", "c: 3"]}]
    for quotes in ('["a: 1", "b: 2"]', "[]", '\n     - "a: 1"\n     - "b: 2"'):
        text = f"claims:\n  -  version: 1\n     metric: x\n     quotes: {quotes}\n     rebinds: 3\n"
        (claim,) = claims(add(text, claims=new))
        assert claim["quotes"][-2:] == ["b: 2", "c: 3"]
        assert claim["rebinds"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "title: t\n",
        "title: t",
        "title: t\nclaims:\n",
        "title: t\nclaims: []\n",
        "claims:\nother: 1\n",
        "claims: [] # none\n",
        "claims:\n- {version: 9}\n",
        "claims:\n- {version: 9}",
        "claims: [{version: 9}]\n",
        "{claims: []}\n",
        "claims:\n  - version: null\n    other:\n\n# end\n",
        "claims:\n  -\n    version: 9\n",
        "claims:\r\n  - {version: 9}\r\nother: 1\r\n",
        "claims:\n  - version: 9\n    note: |\n      two\n      lines\n\n\nother: 1\n",
    ],
)
def test_lists_in_any_layout_are_extended(text: str) -> None:
    merged = add(text, claims=[{"version": 1, "metric": "a"}])
    assert claims(merged)[-1] == {"version": 1, "metric": "a"}
    assert text.partition("claims:")[0] in merged
    assert ("\r\n" in text) == ("\r\n" in merged)
    assert merged.count("\n") == merged.count("\r\n") or "\r" not in merged


def test_contradictions_name_line_and_both_values() -> None:
    with pytest.raises(Contradiction) as caught:
        add(FILE, claims=[{"version": 1, "metric": "dax_pmem", "tip": {"mean_ms": 116.94}}])
    error = caught.value
    assert (error.line, error.there, error.here) == (18, 116.93, 116.94)
    assert error.key == "claims (version 1, metric dax_pmem) tip mean_ms"
    with pytest.raises(Contradiction, match=r"base is v7\.1-rc3 in line 5, not v7\.1-rc6"):
        add(FILE, versions=[{"version": 1, "base": "v7.1-rc6"}])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("claims: 3\n", "claims is not a list"),
        ("claims: [1, 2]\n", "claims is not a list of mappings"),
        ("claims: {}\n", "claims is not a list"),
        ("claims:\n  - {version: 1, metric: a, base: 3}\n", "base is not a mapping"),
        ("claims:\n  - {version: 9, # note\n     metric: b}\n", "lose the comment '# note'"),
        ("claims: [\n", "cannot take additions"),
        ("version: 1\nversion: 1\n", "cannot take additions"),
        ("- a\n", "has no keys"),
        ("", "has no keys"),
        ("claims:\n  - {version: 9}\n...\nrest\n", "cannot take additions"),
        ("a: &x {version: 1, metric: a}\nclaims:\n  - *x\n", "has an alias"),
        # An octal number for PyYAML, a decimal one for ruamel.
        ("claims:\n  - {version: 01, metric: a, rebinds: 010}\n", "change its meaning"),
    ],
)
def test_files_that_would_lose_something_are_refused(text: str, said: str) -> None:
    item = {"version": 1, "metric": "a", "base": {"mean_ms": 1.5}, "rebinds": 10}
    with pytest.raises(Unmergeable, match=said):
        merge(text, {"claims": [item]})


WORDS = st.text("ab:#-'\"{}[],&*!|>%@` é\u4e2d?~1.", max_size=8) | st.sampled_from(
    ["yes", "null", "1e3", "0x10", "12:30:00", "2026-05-15", "- a", "a: b", "n", "~", ""]
)


@settings(max_examples=50)
@given(WORDS)
def test_any_text_survives(text: str) -> None:
    for there in ("[]", '["x"]', '\n      - "x"'):
        file = f"claims:\n  - version: 1\n    metric: a\n    quotes: {there}\n"
        (claim,) = claims(add(file, claims=[{"version": 1, "metric": "a", "quotes": [text]}]))
        assert claim["quotes"][-1] == text


ITEMS = st.fixed_dictionaries(
    {"version": st.integers(1, 3), "metric": st.sampled_from(["nd_pmem", "dax_pmem"])},
    optional={
        "rebinds": st.integers(1, 2),
        "base": st.fixed_dictionaries({}, optional={"mean_ms": st.sampled_from([1.5, 2])}),
        "quotes": st.lists(WORDS, min_size=1, max_size=3, unique=True),
    },
)
LISTS = st.lists(ITEMS, max_size=5, unique_by=lambda item: (item["version"], item["metric"]))


@settings(max_examples=25)
@given(LISTS, LISTS, st.sampled_from([None, True, False]))
def test_merging_is_a_union_or_a_contradiction(
    known: list[dict[str, Any]], new: list[dict[str, Any]], style: bool | None
) -> None:
    text = yaml.safe_dump({"title": "t", "claims": known}, default_flow_style=style, width=60)
    if style is True:
        text = "title: t\nclaims:\n" + "\n".join(
            f"  - {yaml.safe_dump(item, default_flow_style=True, width=9999).strip()}"
            for item in known
        )
    try:
        merged = merge(text, {"claims": new})
    except Contradiction as error:
        assert error.there != error.here
        return
    found = claims(merged)
    for item in new:
        (there,) = [
            c for c in found if (c["version"], c["metric"]) == (item["version"], item["metric"])
        ]
        assert set(item) <= set(there)
        assert set(item.get("quotes", [])) <= set(there.get("quotes", []))
        assert item.get("base", {}).items() <= there.get("base", {}).items()
    assert len(found) == len({(c["version"], c["metric"]) for c in known + new})
    assert merge(merged, {"claims": new}) == merged
