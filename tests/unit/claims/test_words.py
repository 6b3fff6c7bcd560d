# SPDX-License-Identifier: GPL-2.0-only
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.claims.figures import read_figures
from harness.claims.message import read_message
from harness.claims.words import Words, words_of
from harness.errors import InputError
from harness.workloads.claim_words import ClaimWords

#: A workload of another shape: a figure per boot, with other names.
OTHER = Words(ClaimWords(metrics=("scan_time",), modes={"swapfile": "scan_time"}, things="scans?"))


def test_a_mail_is_read_by_the_words_of_its_workload() -> None:
    text = "This series lowers the average scan_time from 250.5 ms to 100.2 ms, 60% less."
    passages = read_message(text, 1)[0]
    found = read_figures(passages, OTHER)
    assert [(f.metric, f.kind, f.value) for f in found.stated] == [
        ("scan_time", "mean", Decimal("250.5")),
        ("scan_time", "mean", Decimal("100.2")),
        ("scan_time", "percent", Decimal(60)),
    ]
    assert not found.problems
    assert [name.value for name in OTHER.metrics("a swapfile")] == ["scan_time"]
    # Words of another workload are not clear, and name nothing.
    for other in ("nd_pmem", "rebind", "namespace"):
        unclear = read_message(text.replace("average", f"average {other}"), 1)[0]
        assert not read_figures(unclear, OTHER).stated
        assert OTHER.title_metric(f"{other}:") is None


def test_a_workload_without_words_reads_no_figure() -> None:
    nothing = Words(ClaimWords())
    text = "This series lowers the average rebind of nd_pmem from 250.5 ms to 100.2 ms."
    found = read_figures(read_message(text, 1)[0], nothing)
    assert all(figure.metric is None for figure in found.stated)
    assert nothing.metrics(text) == [] and not nothing.excludes_metrics(f"not {text}")


@given(st.text(max_size=200))
def test_any_text_has_words_or_none(text: str) -> None:
    for words in (OTHER, Words(ClaimWords()), words_of("zone_device")):
        assert {found.value for found in words.metrics(text)} <= set(words.metric_order)
        words.kinds(text)
        words.unclear_word(text)


def test_an_unknown_workload_has_no_words() -> None:
    with pytest.raises(InputError, match="no workload 'zone'"):
        words_of("zone")
