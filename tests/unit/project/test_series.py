# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import pytest

from harness import workloads
from harness.errors import InputError
from harness.project.project import series_of
from harness.project.yaml_file import YamlFile

FILE = "title: a\nfunction: f\nobject: mm/f.o\nport_of: 0\nversions: []\n"


def _file(tmp_path: Path, more: str) -> YamlFile:
    path = tmp_path / "series.yaml"
    path.write_text(FILE + more)
    return YamlFile.read(path)


def test_a_series_is_of_the_default_workload_unless_it_names_one(tmp_path: Path) -> None:
    assert series_of(_file(tmp_path, "")).workload == workloads.DEFAULT
    named = _file(tmp_path, "workload: zone_device\n")
    assert series_of(named).workload == "zone_device"


@pytest.mark.parametrize("name", ["zone-device", "''", "boot message", "Zone_device"])
def test_an_unknown_workload_is_an_error_with_file_line_and_key(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"series\.yaml:6: key 'workload': .*expected one of") as e:
        series_of(_file(tmp_path, f"workload: {name}\n"))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("value", ["7", "[zone_device]", "true", "{}"])
def test_a_workload_is_named_by_text(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"series\.yaml:6: key 'workload'"):
        series_of(_file(tmp_path, f"workload: {value}\n"))
