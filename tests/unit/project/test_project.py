# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.host.units import GIB, MIB, format_bytes, parse_size
from harness.project.project import Project
from harness.workloads.zone_device.namespaces import (
    counted_nr_pages,
    data_offset_bytes,
    expected_nr_pages,
)

GOOD = """\
description: test
memory: 1G
namespaces:
  - {mode: fsdax, size: 4G}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for folder in ("series", "configs/plans", "configs/kconfig", "guests"):
        (tmp_path / folder).mkdir(parents=True)
    return Project(tmp_path)


def test_an_unknown_name_lists_the_known_ones(project: Project) -> None:
    (project.guests_folder / "small.yaml").write_text(GOOD)
    with pytest.raises(InputError, match="no guest 'large'; expected one of small"):
        project.guest("large")


def test_a_name_cannot_leave_its_folder(project: Project) -> None:
    (project.root / "secret.yaml").write_text(GOOD)
    with pytest.raises(InputError, match="no guest"):
        project.guest("../secret")


def test_a_folder_that_is_not_a_checkout_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMMAP_HARNESS_ROOT", str(tmp_path))
    with pytest.raises(InputError, match="memmap-harness checkout"):
        Project.find()


def test_everything_committed_loads() -> None:
    project = Project.find()
    for path in project.guests_folder.glob("*.yaml"):
        project.guest(path.stem)
    for path in (project.configs / "plans").glob("*.yaml"):
        if path.stem.startswith("matrix"):
            project.matrix(path.stem)
            continue
        plan = project.plan(path.stem)
        project.guest(plan.guest)
        for name in plan.kconfig:
            project.fragment(name)
    for slug in project.slugs():
        series = project.series(slug)
        versions = {v.version for v in series.versions}
        for claim in project.claims(slug):
            assert claim.version in versions
            project.guest(claim.guest)


def test_page_counts_are_what_real_kernels_printed() -> None:
    # Measured in guests: 4 GiB and 100 GiB NVDIMMs, map=dev, fsdax and devdax with 2 MiB.
    assert expected_nr_pages(4 * GIB, 2 * MIB, map_dev=True) == 1_031_680
    assert expected_nr_pages(100 * GIB, 2 * MIB, map_dev=True) == 25_804_288
    assert data_offset_bytes(4 * GIB, 2 * MIB, map_dev=True) == 0x4200000
    # With page_ref_set enabled.
    assert counted_nr_pages(GIB, map_dev=True) == 262_142


@given(st.integers(1, 1 << 14), st.sampled_from([4096, 2 * MIB, GIB]), st.booleans())
def test_data_begins_aligned_after_the_whole_memmap(
    sections: int, align: int, map_dev: bool
) -> None:
    size = sections * 128 * MIB
    offset = data_offset_bytes(size, align, map_dev=map_dev)
    assert offset % max(align, 2 * MIB) == 0
    if map_dev:
        assert offset >= 8192 + expected_nr_pages(size, align, map_dev=True) * 64


@given(st.integers(0, 1 << 40), st.sampled_from("KMGT"))
def test_sizes_are_powers_of_1024(number: int, unit: str) -> None:
    assert parse_size(f"{number % 10**12}{unit}") % 1024 == 0
    assert format_bytes(number)


@pytest.mark.parametrize("text", ["", "G", "-1G", "1.5G", "1 G", "1g", "1GiB", "1" * 20])
def test_invalid_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)
