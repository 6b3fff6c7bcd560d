# SPDX-License-Identifier: GPL-2.0-only
"""claims.yaml beside a record: written, read, and never silently replaced by series.yaml."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import RecordError
from harness.project.claim import Claim, Figures
from harness.project.run_claims import FILE, RunClaims, claims_of, load, save
from harness.record import store
from tests.unit.builders import checkout, claims, record

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
FIGURES = st.builds(
    Figures,
    mean_ms=st.floats(1e-6, 1e9),
    first_ms=st.none() | st.floats(1e-6, 1e9),
    mean_decimals=st.none() | st.integers(-3, 6),
)
CLAIMS = st.builds(
    Claim,
    version=st.integers(0, 99),
    metric=st.sampled_from(["nd_pmem", "dax_pmem"]),
    guest=TEXT,
    rebinds=st.integers(1, 1000),
    base=st.none() | FIGURES,
    tip=st.none() | FIGURES,
    after_patch=st.none() | st.integers(1, 99),
    reduction_percent=st.none() | st.floats(-1000, 100),
    setup=st.sampled_from([None, "vm", "physical"]),
    quotes=st.lists(TEXT, max_size=3).map(tuple),
)


@given(st.builds(RunClaims, TEXT, st.lists(CLAIMS, max_size=3).map(tuple), st.tuples(TEXT)))
def test_claims_are_read_as_they_were_written(kept: RunClaims) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), kept)
        assert load(Path(folder)) == kept


def test_a_run_without_a_file_has_the_claims_of_series_yaml(tmp_path: Path) -> None:
    project = checkout(tmp_path / "c")
    assert claims_of(project, record()) == project.claims("memcpy-streaming")


def test_a_runs_own_claims_are_about_its_patches(tmp_path: Path) -> None:
    project = checkout(tmp_path / "c")
    folder = store.folder_of(project.results, record())
    own = tuple(msgspec.structs.replace(claim, version=7) for claim in claims(12.5))
    save(folder, RunClaims("cover letter", own))
    assert claims_of(project, record()) == claims(12.5)
    save(folder, RunClaims("--no-claims"))
    assert claims_of(project, record()) == ()
    # A copy elsewhere is judged by its own.
    save(tmp_path, RunClaims("--claim", own[:1]))
    for path in (tmp_path, tmp_path / store.FILE):
        assert claims_of(project, record(), path) == claims(12.5)[:1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is nothing"),
        ("source: x\nclaims: [", "not valid YAML"),
        ("claims: []\n", "source"),
        ("source: x\nclaims: [{metric: nd_pmem}]\n", "version"),
        ("source: x\nother: 1\n", "other"),
        ("source: x\nclaims: [{version: 1, metric: nd_pmem, rebinds: 1, setup: host}]\n", "setup"),
        ("\xff\xfe", "UTF-8"),
    ],
)
def test_a_damaged_file_is_an_unusable_record(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordError) as caught:
        load(tmp_path)
    assert said.lower() in str(caught.value).lower()
    assert FILE in str(caught.value)
