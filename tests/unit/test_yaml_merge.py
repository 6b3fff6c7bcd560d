# SPDX-License-Identifier: GPL-2.0-only
import datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.parse.yaml_merge import Contradiction, Unmergeable, merge
from harness.parse.yaml_text import COLUMNS, flow, item_lines

FILE = """\
# A file that a person keeps.
title: a series  # its title

versions:
  - {version: 1, date: 2026-05-15, base: v7.1-rc3}
  # The second has no date.
  - {version: 2, base: v7.1-rc3,
     cover: null}

claims:  # figures
  - {version: 1, driver: nd_pmem,
     base: {mean_ms: 273.52}}  # only one side

  - version: 1   # written otherwise
    driver: dax_pmem
    tip:
      mean_ms: 116.93   # a mean
    # the end
"""
KEYS = {"versions": ("version",), "claims": ("version", "driver", "after_patch")}


def add(text: str, **additions: list[dict[str, Any]]) -> str:
    merged = merge(text, additions, KEYS)
    # Whatever was there is still there, line by line and in order, but for what grew at its end.
    lines = iter(merged.splitlines())
    for line in text.splitlines():
        stem = line.replace("[]", "]").partition("}")[0].partition("null")[0].partition("]")[0]
        stem = stem.rstrip()
        assert any(new.startswith(stem) for new in lines), line
    return merged


def claims(text: str) -> list[dict[str, Any]]:
    found = yaml.safe_load(text)["claims"] or []
    assert isinstance(found, list)
    return found


def test_new_items_go_to_the_end_of_their_list() -> None:
    new = {"version": 2, "driver": "nd_pmem", "base": {"mean_ms": Decimal("180.00")}}
    merged = add(FILE, claims=[new], versions=[{"version": 3, "date": datetime.date(2026, 5, 26)}])
    assert "  - {version: 2, driver: nd_pmem, base: {mean_ms: 180.00}}\n" in merged
    assert "     cover: null}\n  - {version: 3, date: 2026-05-26}\n\nclaims:" in merged
    assert merged.endswith("    # the end\n")
    assert claims(merged)[2]["base"] == {"mean_ms": 180.0}


def test_what_is_there_and_equal_changes_nothing() -> None:
    same = {"version": 1, "driver": "nd_pmem", "base": {"mean_ms": Decimal("273.520")}}
    assert add(FILE, claims=[same], versions=[{"version": 1, "base": "v7.1-rc3"}]) == FILE


def test_what_is_missing_is_filled_in() -> None:
    merged = add(
        FILE,
        versions=[{"version": 2, "cover": "a@example.org", "patches": 7}],
        claims=[
            {
                "version": 1,
                "driver": "nd_pmem",
                "base": {"first_ms": 1486, "mean_ms": 273.52},
                "quotes": ["one: 1", 'a "b" # c'],
            },
            {
                "version": 1,
                "driver": "dax_pmem",
                "base": {"mean_ms": 313.45},
                "tip": {"first_ms": 1286},
            },
        ],
    )
    first, second = claims(merged)
    assert first["base"] == {"mean_ms": 273.52, "first_ms": 1486}
    assert first["quotes"] == ["one: 1", 'a "b" # c']
    assert second["tip"] == {"mean_ms": 116.93, "first_ms": 1286}
    assert second["base"] == {"mean_ms": 313.45}
    assert yaml.safe_load(merged)["versions"][1]["cover"] == "a@example.org"
    for comment in ("# only one side", "# a mean", "# the end", "# its title", "# figures"):
        assert comment in merged


def test_texts_are_added_to_those_that_are_there() -> None:
    new = [{"version": 1, "driver": "x", "quotes": ["b: 2", "c: 3"]}]
    for quotes in ('["a: 1", "b: 2"]', "[]", '\n     - "a: 1"\n     - "b: 2"'):
        text = f"claims:\n  -  version: 1\n     driver: x\n     quotes: {quotes}\n     rebinds: 3\n"
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
        "claims:\n  -\n    version: 9\n",
        "claims:\r\n  - {version: 9}\r\nother: 1\r\n",
        "claims:\n  - version: 9\n    note: |\n      two\n      lines\n\n\nother: 1\n",
    ],
)
def test_any_way_to_have_a_list_or_none(text: str) -> None:
    merged = add(text, claims=[{"version": 1, "driver": "a"}])
    assert claims(merged)[-1] == {"version": 1, "driver": "a"}
    assert ("\r\n" in text) == ("\r\n" in merged)
    assert merged.count("\n") == merged.count("\r\n") or "\r" not in merged


def test_contradictions_name_the_line_and_both() -> None:
    with pytest.raises(Contradiction) as caught:
        add(FILE, claims=[{"version": 1, "driver": "dax_pmem", "tip": {"mean_ms": 116.94}}])
    error = caught.value
    assert (error.line, error.there, error.here) == (17, 116.93, "116.94")
    assert error.key == "claims (version 1, driver dax_pmem) tip mean_ms"
    with pytest.raises(Contradiction, match=r"base is v7\.1-rc3 in line 5, not v7\.1-rc6"):
        add(FILE, versions=[{"version": 1, "base": "v7.1-rc6"}])


@pytest.mark.parametrize(
    "text",
    [
        "claims: [{version: 9}]\n",
        "claims: 3\n",
        "claims: [1, 2]\n",
        "{claims: []}\n",
        "- a\n",
        "",
        "claims:\n  - {version: 9}\n...\nrest\n",
        "a: &x {version: 1, driver: a}\nclaims:\n  - *x\n",
    ],
)
def test_a_layout_that_cannot_be_added_to_is_refused(text: str) -> None:
    item = {"version": 1, "driver": "a", "base": {"mean_ms": 1.5}}
    with pytest.raises(Unmergeable):
        merge(text, {"claims": [item]}, KEYS)


WORDS = st.text("ab:#-'\"{}[],&*!|>%@` é\u4e2d?~1.", max_size=8) | st.sampled_from(
    ["yes", "null", "1e3", "0x10", "12:30:00", "2026-05-15", "- a", "a: b", "n", "~", ""]
)


@given(WORDS)
def test_any_text_survives(text: str) -> None:
    assert yaml.safe_load(flow([text, {"a": text}])) == [text, {"a": text}]


ITEMS = st.fixed_dictionaries(
    {"version": st.integers(1, 3), "driver": st.sampled_from(["nd_pmem", "dax_pmem"])},
    optional={
        "rebinds": st.integers(1, 2),
        "base": st.fixed_dictionaries({}, optional={"mean_ms": st.sampled_from([1.5, 2])}),
        "quotes": st.lists(WORDS, max_size=3, unique=True),
    },
)
LISTS = st.lists(ITEMS, max_size=5, unique_by=lambda item: (item["version"], item["driver"]))


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
        merged = merge(text, {"claims": new}, KEYS)
    except Contradiction as error:
        assert error.there != error.here
        return
    found = claims(merged)
    for item in new:
        (there,) = [
            c for c in found if (c["version"], c["driver"]) == (item["version"], item["driver"])
        ]
        assert set(item) <= set(there)
        assert set(item.get("quotes", [])) <= set(there.get("quotes", []))
        assert item.get("base", {}).items() <= there.get("base", {}).items()
    assert len(found) == len({(c["version"], c["driver"]) for c in known + new})
    assert merge(merged, {"claims": new}, KEYS) == merged


@settings(max_examples=25)
@given(ITEMS, st.integers(0, 6))
def test_an_item_loads_as_it_was(item: dict[str, Any], column: int) -> None:
    lines = item_lines(item, column)
    assert yaml.safe_load("\n".join(lines)) == [item]
    assert all(len(line) <= COLUMNS for line in lines)
