# SPDX-License-Identifier: GPL-2.0-only
"""What is said of memory traffic: what it explains at most, and no more."""

import msgspec
import pytest

from harness.judge.conclude import Conclusion, conclude
from harness.judge.ratios.traffic import transfers
from harness.record.record import Count, Lines, Traffic
from harness.report import lines
from tests.unit.builders import claims
from tests.unit.replays import replay
from tests.unit.reports import FORMS

replace = msgspec.structs.replace
ORDINARY = Lines(whole=0, partial=0, ordinary=1, twice=0, read_back=0)
STREAMED = Lines(whole=1, partial=0, ordinary=0, twice=0, read_back=0)
BOTH = Lines(whole=1, partial=0, ordinary=1, twice=1, read_back=0)
NONE = Lines(whole=0, partial=0, ordinary=0, twice=0, read_back=0)


def counted(
    base: Lines, tip: Lines, instructions: tuple[float, float] | None = (45, 14)
) -> Conclusion:
    """Return the conclusion of a replay of which traffic, and instructions, were counted."""
    rec = replace(
        replay({"base": [40.0] * 3, "2": [40.0] * 3}),
        passes=(),
        traffic=(Traffic("base", "order0", base), Traffic("2", "order0", tip)),
    )
    if instructions:
        by = zip(("base", "2"), instructions, strict=True)
        rec = replace(rec, counts=tuple(Count(build, "order0", "x", n) for build, n in by))
    return conclude(rec, claims())


def said(conclusion: Conclusion) -> str:
    (line,) = lines.traffic(conclusion)
    assert (line.name, line.tone) == ("traffic, order0", "")
    return line.text


@pytest.mark.parametrize(("found", "lines_per_page"), [(ORDINARY, 2), (STREAMED, 1), (BOTH, 3)])
def test_a_line_stored_ordinarily_is_read_and_written(found: Lines, lines_per_page: float) -> None:
    assert transfers(found) == lines_per_page


def test_saved_traffic_explains_a_gain_at_most() -> None:
    assert said(counted(ORDINARY, STREAMED)) == (
        "memory transfers at least 1.00 cache lines per struct page for series, 2.00 for base: if "
        "memory is the limit, this explains at most 50 % of base's time, 9.4 points less than the "
        "claimed 59.4 %; the rest would be fewer instructions (45 to 14 per page)"
    )


@pytest.mark.parametrize("same", [ORDINARY, STREAMED, NONE])
def test_the_same_traffic_explains_none_of_a_gain(same: Lines) -> None:
    text = said(counted(same, same))
    assert "as for base: less traffic explains none of a gain" in text
    assert "59.4 points less than the claimed 59.4 %" in text


def test_more_traffic_explains_no_gain() -> None:
    text = said(counted(STREAMED, ORDINARY))
    assert "more traffic, which explains no gain" in text
    assert "-" not in text


def test_instructions_that_were_not_counted_are_not_named() -> None:
    assert "instructions" not in said(counted(ORDINARY, STREAMED, None))
    assert "not fewer instructions (14 to 45 per page)" in said(
        counted(ORDINARY, STREAMED, (14, 45))
    )


def test_without_base_or_traffic_nothing_is_said() -> None:
    found = counted(ORDINARY, STREAMED)
    (_, of_tip) = found.record.traffic  # type: ignore[union-attr]
    for traffic in ((), (of_tip,)):
        assert not list(
            lines.traffic(replace(found, record=replace(found.record, traffic=traffic)))
        )


@pytest.mark.parametrize("form", ["terminal.txt", "md"])
def test_reports_name_the_kind_of_evidence(form: str) -> None:
    text = FORMS[form](counted(ORDINARY, STREAMED))
    assert "(traffic)" in text
    assert "explains at most 50 %" in " ".join(text.split())
