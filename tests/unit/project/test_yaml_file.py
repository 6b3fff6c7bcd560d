# SPDX-License-Identifier: GPL-2.0-only
"""Errors in YAML files: one line with file, line, key, what was expected and where to read on."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.project.claim import Claim, Figures
from harness.project.guest import Guest
from harness.project.matrix_plan import Block, Configuration, Matrix
from harness.project.plan import Boots, Plan, PlannedBuild
from harness.project.project import Project
from harness.project.series import Series, Variant, Version
from harness.project.tree_source import DebianSource, GitSource, Tarball, TreeSource
from harness.project.yaml_file import YamlFile
from harness.workloads.boot_message.message import Message
from harness.workloads.zone_device.namespaces import Namespace

ROOT = Path(__file__).parents[3]
GUEST = """\
description: test
memory: 1G
namespaces:
  - {mode: fsdax, size: 4G}
"""
PLAN = """\
description: test
guest: g
rebinds: 5
kconfig: [guest]
boots: {kvm: 3}
"""
MATRIX = """\
description: test
kernels:
  default:
    why: it is measured
    kconfig: [guest]
  kasan:
    why: no report
    kconfig: [guest]
    shows: [plain]
cells:
  - {trees: [v7.2], kernels: [default], prefixes: [each]}
  - {trees: [v7.2], kernels: [kasan], guests: [g]}
"""
TREES = """\
v7.2: {provider: debian-source, version: "7.2", suites: [sid]}
mine: {provider: git, repository: ~/linux, ref: v7.2-rc1}
local:
  provider: tarball
  location: linux.tar.xz
  sha256: "%s"
""" % ("a" * 64)  # fmt: skip
SERIES = """\
title: test
function: memmap_init_zone_device
object: mm/mm_init.o
port_of: 1
versions:
  - {version: 1, base: v7.1, date: 2026-05-15}
claims:
  - version: 1
    metric: nd_pmem
    guest: g
    rebinds: 30
    base: {mean_ms: 273.52}
"""
G, P, M = "guests/g.yaml", "configs/plans/quick.yaml", "configs/plans/matrix.yaml"
T, S = "configs/trees.yaml", "series/s/series.yaml"
FILES = {
    G: GUEST,
    P: PLAN,
    M: MATRIX,
    T: TREES,
    S: SERIES,
    "configs/kconfig/guest.config": "",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Project(tmp_path)


LOADERS: dict[str, Callable[[Project], object]] = {
    G: lambda project: project.guest("g"),
    P: lambda project: project.plan("quick"),
    M: lambda project: project.matrix("matrix"),
    T: lambda project: project.trees(),
    S: lambda project: (project.measurable_series("s"), project.claims("s")),
}


def test_the_files_that_the_errors_below_are_made_from_load(project: Project) -> None:
    for load in LOADERS.values():
        assert load(project)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        # guests
        (G, "memory: 1G", "memory: 1G\ncpu: 1",
         "3: key 'cpu': unknown key; expected one of description, memory, namespaces, cpus, cpu_"),
        (G, "memory: 1G\n", "",
         "1: key 'memory': missing; expected at least the keys description, memory, namespaces"),
        (G, "memory: 1G", "memory: 1G\nname: x", "3: key 'name': unknown key; expect"),
        (G, "memory: 1G", "memory: 1", "2: key 'memory': is a whole number; expected text, in"),
        (G, "memory: 1G", "memory: 1G\ncpus: one",
         "3: key 'cpus': is text; expected a whole number"),
        (G, "memory: 1G", "memory: 1G\ncpus: 0",
         "3: key 'cpus': 0; expected 1 or more"),
        (G, "memory: 1G", "memory: 1500K",
         "2: key 'memory': 1500K; expected a multiple of 1M"),
        (G, "4G", "4GB", "4: key 'namespaces[0].size': '4GB' is "),
        (G, "4G", "100M",
         "4: key 'namespaces[0].size': 100M; expected a multiple of 16M, ndctl's minimum"),
        (G, "fsdax", "sector",
         "4: key 'namespaces[0].mode': unknown value 'sector'; expected one of devdax, fsdax"),
        (G, "size: 4G", "sizes: 4G",
         "4: key 'namespaces[0].sizes': unknown key; expected one of mode, size, map, align"),
        (G, "size: 4G", "size: 4G, align: 3M",
         "4: key 'namespaces[0].align': 3M; expected 4K, 2M or 1G"),
        (G, "size: 4G}", "size: 4G}\n  - {mode: fsdax, size: 8G}",
         "3: key 'namespaces': 2 given; expected one fsdax, one devdax, or one of each"),
        (G, "description: test", "provider: tape\ndescription: test",
         "1: key 'provider': unknown value 'tape'; expected one of cxl, e820, nvdimm, ramdax"),
        (G, GUEST, "", "1: is nothing; expected a mapping"),
        (G, GUEST, "- a\n- list\n", "1: is a list; expected a mapping"),
        # YAML itself
        (G, "memory: 1G", "memory: 1G\nmemory: 2G",
         "3: key 'memory': given twice or not a plain key; expected each key once"),
        (G, GUEST, "namespaces: [}\n", "1: not valid YAML: expected the node cont"),
        (G, "memory: 1G", "memory: \t- b", "2: not valid YAML: found character"),
        (G, GUEST, "? {a: 1}\n: 2\n", "1: key {'a': 1}: given twice or not a plain"),
        (G, GUEST, "x: !!python/object:os.system {}\n", "1: not valid YAML: could not"),
        (G, "test", "test\x07", "1: not valid YAML: character 0x7: special cha"),
        (G, "test", "2026-13-45", "1: a value cannot be read: month must be in 1..12"),
        (G, "test", "1" * 5000, "1: a value cannot be read: Exceeds the limit"),
        (G, GUEST, "[" * 1200, "1: a value cannot be read: maximum recursion depth"),
        # plans
        (P, "rebinds: 5", "rebinds: 0",
         "3: key 'rebinds': 0; expected 1 to 1000"),
        (P, "rebinds: 5", "reboots: 5", "3: key 'reboots': unknown key"),
        (P, "kvm: 3", "kvm: 0",
         "5: key 'boots.kvm': 0; expected 1 or more"),
        (P, "kconfig: [guest]", "kconfig: guest",
         "4: key 'kconfig': is text; expected a list"),
        (P, "kconfig: [guest]", "kconfig: [guest, 3]",
         "4: key 'kconfig[1]': is a whole number; expected text"),
        (P, "guest: g", "guest: g\nclock: sun",
         "3: key 'clock': unknown value 'sun'; expected one of host, icount"),
        (P, "guest: g", "guest: g\nboot_s: 0",
         "3: key 'boot_s': 0; expected a deadline of 1 second or more"),
        # matrices
        (M, "[plain]", "[fast]",
         "9: key 'kernels.kasan.shows[0]': unknown value 'fast'; expected one of absent, comp"),
        (M, "why: no report", "because: no report",
         "7: key 'kernels.kasan.because': unknown key; expected one of why, kconfig, compiler,"),
        (M, "    why: no report\n", "",
         "6: key 'kernels.kasan.why': missing; expected at least the keys why, kconfig"),
        (M, "shows: [plain]", "arch: sparc",
         "9: key 'kernels.kasan.arch': sparc; expected one of x86_64, i386, arm64"),
        (M, "shows: [plain]", "shows: [plain]\n    arch: arm64",
         "9: key 'kernels.kasan.shows': plain needs arch x86_64; expected compiles or absent"),
        (M, "[each]", "[0]", "11: key 'cells[0].prefixes': a number"),
        (M, "[each]", "[all]",
         "11: key 'cells[0].prefixes[0]': unknown value 'all'; expected one of a whole number, ea"),
        (M, "[each]", "[]", "11: key 'cells[0].prefixes': empty; expected"),
        (M, "kernels: [kasan]", "kernels: [none]",
         "12: key 'cells[1].kernels': no kernel 'none'; expected one of default, kasan"),
        (M, "guests: [g]", "guests: [h]",
         "12: key 'cells[1].guests': no guest 'h'; expected one of g"),
        (M, "[v7.2], kernels: [kasan]", "[v9], kernels: [kasan]",
         "12: key 'cells[1].trees': no tree 'v9'; expected one of v7.2, mine, local"),
        (M, "kconfig: [guest]\n    shows", "kconfig: [ghost]\n    shows",
         "8: key 'kernels.kasan.kconfig': no Kconfig fragment 'ghost'; expected one of guest"),
        # trees
        (T, "provider: git", "provider: svn",
         "2: key 'mine.provider': unknown value 'svn'; expected one of debian-source, git, tarb"),
        (T, "provider: git, ", "",
         "2: key 'mine.provider': missing; expected at least the keys provider"),
        (T, '"7.2"', "7.2", "1: key 'v7.2.version': is a number; expected text"),
        (T, "ref: v7.2-rc1", "branch: b",
         "2: key 'mine.branch': unknown key; expected one of repository, ref"),
        (T, "ref: v7.2-rc1", "ref: --upload-pack=x",
         "2: key 'mine.ref': '--upload-pack=x'; expected a ref of git"),
        (T, "  location: linux.tar.xz\n", "",
         "3: key 'local.location': missing; expected at least the keys location"),
        (T, "a" * 64, "A" * 64, "6: key 'local.sha256': 'AAAA"),
        (T, "mine:", "../x:",
         "2: key '../x': not a valid tree name; expected letters, digits, . _ + -, like v7.2"),
        (T, "v7.2:", "7.2:", "1: a key is a number; expected text"),
        # series
        (S, "port_of: 1", "port_of: 9",
         "4: key 'port_of': 9; expected one of the versions [1]"),
        (S, "port_of: 1", "port_off: 1",
         "4: key 'port_off': unknown key; expected one of title, function, object, vers"),
        (S, "{version: 1, base", "{base",
         "6: key 'versions[0].version': missing; expected a number, or a cover without one"),
        (S, "port_of: 1", "port_of: 1\nfollow_up: [../x.patch]",
         "5: key 'follow_up': '../x.patch'; expected a file name like 0001-x.patch"),
        (S, "memmap_init_zone_device", "memmap_init_range",
         "2: key 'function': memmap_init_range() cannot be measured; expected memmap_init_zone_de"),
        (S, "date: 2026-05-15", "date: soon",
         "6: key 'versions[0].date': not a date; expected a date like 2026-05-15"),
        (S, "rebinds: 30", "rebinds: 0",
         "11: key 'claims[0].rebinds': 0; expected 1 or more"),
        (S, "mean_ms: 273.52", "mean_ms: -1",
         "12: key 'claims[0].base.mean_ms': -1.0; expected a positive duration"),
        (S, "mean_ms: 273.52", "mean: 1",
         "12: key 'claims[0].base.mean': unknown key; expected one of mean_ms, first_ms, mean_dec"),
        (S, "  - version: 1\n    metric", "  - metric",
         "8: key 'claims[0].version': missing; expected at least the keys version, metric, rebind"),
    ],
)  # fmt: skip
def test_an_error_names_line_key_and_what_was_expected(
    project: Project, file: str, old: str, new: str, said: str
) -> None:
    text = FILES[file]
    assert text.count(old) == 1
    path = project.root / file
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        LOADERS[file](project)
    line = str(caught.value)
    assert line.startswith(f"{path}:{said}")
    assert "\n" not in line
    assert "`$" not in line
    assert "See docs/series.md" in line or "Use `harness apply`" in line
    assert "; expected " in line or "not valid YAML" in line or "cannot be read" in line


def test_an_older_file_calls_the_metric_driver(project: Project) -> None:
    new = project.claims("s")
    path = project.root / S
    path.write_text(SERIES.replace("metric:", "driver:"))
    assert Project(project.root).claims("s") == new
    path.write_text(SERIES.replace("metric:", "driver: dax_pmem\n    metric:"))
    with pytest.raises(InputError, match=r"series.yaml:10: key 'metric': given twice"):
        Project(project.root).claims("s")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"g\.yaml: is not UTF-8"):
        YamlFile.read(tmp_path / "g.yaml")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "huge.yaml").open("wb") as handle:
        handle.truncate(1 << 40)
    with pytest.raises(InputError, match="over 1 MiB"):
        YamlFile.read(tmp_path / "huge.yaml")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KINDS: dict[str, Any] = {
    GUEST: Guest,
    PLAN: Plan,
    MATRIX: Matrix,
    TREES: dict[str, TreeSource],
    SERIES: Series,
}


#: Fields that are set from a file's path.
FROM_PATH = ("name", "slug", "ports")


def replaced(data: Any, value: Any, draw: Any) -> Any:
    """Return the data with another value somewhere in it."""
    if not isinstance(data, dict | list) or not data or draw(st.integers(0, 3)) == 0:
        return value
    copy = data.copy()
    keys = sorted(data) if isinstance(data, dict) else range(len(data))
    key = draw(st.sampled_from(keys))
    copy[key] = replaced(data[key], value, draw)
    return copy


def test_a_key_with_a_line_break_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^x\.yaml:1: .*unknown field `\\n`") as raised:
        YamlFile(Path("x.yaml"), '"\\n": 1\n').load(Plan)
    assert "\n" not in str(raised.value)


@given(st.data(), st.sampled_from([*KINDS]), VALUES)
def test_any_value_anywhere_loads_or_is_one_line(data: Any, text: str, value: Any) -> None:
    broken = yaml.safe_dump(replaced(yaml.safe_load(text), value, data.draw))
    try:
        YamlFile(Path("x.yaml"), broken).load(KINDS[text])
    except InputError as error:
        assert re.match(r"x\.yaml:\d+: ", str(error))
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "kind",
    [
        *(
            Series,
            Message,
            Version,
            Variant,
            Claim,
            Figures,
            Guest,
            Namespace,
            Plan,
            PlannedBuild,
            Boots,
        ),
        *(Matrix, Configuration, Block, DebianSource, GitSource, Tarball),
    ],
)
def test_every_key_is_documented(kind: type) -> None:
    text = (ROOT / "docs/series.md").read_text()
    for field in msgspec.structs.fields(kind):
        if field.name not in FROM_PATH or kind is Variant:
            assert f"`{field.name}`" in text, field.name


def test_a_file_that_changed_is_parsed_again(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    for value in ("1", "2"):
        file.write_text(f"a: {value}\n")
        assert YamlFile.read(file).load(dict[str, int]) == {"a": int(value)}
        assert YamlFile.read(file) is YamlFile.read(file)
