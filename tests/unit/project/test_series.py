# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import pytest

from harness import workloads
from harness.errors import InputError
from harness.project.project import series_of
from harness.project.yaml_file import YamlFile
from harness.workloads.figures import Figure

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


MESSAGES = (
    "workload: boot_message\nmessages:\n  took: {pattern: 'took (?P<value>\\d+)us', unit: us}\n"
)


def test_messages_are_the_metrics_of_boot_message(tmp_path: Path) -> None:
    found = series_of(_file(tmp_path, MESSAGES))
    assert (found.measured.name, found.measured.metrics) == ("boot_message", ("took",))
    assert found.measured.read("it took 17us") == Figure(17_000, metric="took", step_ns=1000)
    assert found.is_setting and not series_of(_file(tmp_path, "")).is_setting


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("workload: boot_message\n", "",
         "6: key 'messages': 1 given; expected at least one with workload boot_message, and none"),
        (MESSAGES, "workload: boot_message\n", "1: key 'messages': 0 given; expected at least one"),
        (MESSAGES, "workload: boot_message\nmessages: {}\n", "7: key 'messages': 0 given; expect"),
        ("took:", "Took:", "7: key 'messages': 'Took'; expected small letters, digits"),
        ("took:", "'':", "7: key 'messages': ''; expected small letters, digits and _"),
        ("(?P<value>", "(", "8: key 'messages.took.pattern': no group (?P<value>…); expected one"),
        ("+)", "+", "8: key 'messages.took.pattern': missing ), unterminated subpattern"),
        (", unit: us", "", "8: key 'messages.took.unit': missing; expected at least the keys pat"),
        ("unit: us", "unit: h", "8: key 'messages.took.unit': unknown value 'h'; expected one of"),
        ("unit: us", "unit: us, x: 1", "8: key 'messages.took.x': unknown key; expected one of"),
        ("unit: us", "unit: us, better: more", "8: key 'messages.took.better': unknown value 'mo"),
    ],
)  # fmt: skip
def test_messages_that_cannot_be_read_are_errors_with_line_and_key(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert MESSAGES.count(old) == 1
    with pytest.raises(InputError) as caught:
        series_of(_file(tmp_path, MESSAGES.replace(old, new)))
    assert str(caught.value).startswith(f"{tmp_path}/series.yaml:{said}")
    assert "\n" not in str(caught.value)
