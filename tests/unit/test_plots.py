# SPDX-License-Identifier: GPL-2.0-only
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness.analysis.conclude import Conclusion, conclude
from harness.model.record import RunRecord
from tests.unit.builders import claims, record

pytest.importorskip("matplotlib")
replace = msgspec.structs.replace


def drawn(made: RunRecord) -> dict[str, bytes]:
    from harness.report import plots

    return dict(plots.draw(conclude(made, claims())))


def small() -> RunRecord:
    """A run of one driver, one boot a side, without its first bindings: few pictures."""
    made = record(base_ms=(270,), tip_ms=(110,), rebinds=1)
    boots = tuple(
        replace(b, samples=tuple(s for s in b.samples if s.op == "rebind")) for b in made.boots
    )
    return replace(made, boots=boots, setup=replace(made.setup, nr_pages={"nd_pmem": 1}))


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return drawn(small())


def test_each_picture_is_there_as_svg_and_png(pictures: dict[str, bytes]) -> None:
    names = {name.rpartition(".")[0] for name in pictures}
    assert names == {"samples-nd_pmem-rebind", "gain-nd_pmem-ns"}
    for name, data in pictures.items():
        start = b"<?xml" if name.endswith(".svg") else b"\x89PNG"
        assert data.startswith(start)
    assert len(pictures) == 2 * len(names)


def test_the_same_run_gives_the_same_bytes(
    pictures: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 20, "svg.fonttype": "path", "axes.grid": True}):
        assert drawn(small()) == pictures
    assert not any(re.search(rb"dc:date|20\d\d-\d\d-\d\dT", d) for d in pictures.values())


def test_text_of_others_is_no_markup_and_no_formula() -> None:
    made = small()
    odd = "$x^2$ </text><script>alert(1)</script>\x1b[2J ünï"
    found = drawn(replace(made, machine=replace(made.machine, cpu=odd)))
    svg = found["samples-nd_pmem-rebind.svg"].decode()
    assert "<script>" not in svg
    assert "$x^2$" in svg
    assert "\x1b" not in svg


def test_a_name_that_is_no_file_name_becomes_one() -> None:
    made = small()
    setup = replace(made.setup, nr_pages={"../../x y": 1})
    boots = tuple(
        replace(b, samples=tuple(replace(s, driver="../../x y") for s in b.samples))
        for b in made.boots
    )
    found = drawn(replace(made, setup=setup, boots=boots))
    assert "samples-------x-y-rebind.svg" in found
    assert all("/" not in name for name in found)


def test_a_run_without_samples_has_no_picture() -> None:
    from harness.report import plots

    assert list(plots.draw(Conclusion(replace(record(), boots=())))) == []


def test_a_page_imports_no_matplotlib() -> None:
    code = (
        "import sys\nimport harness.report.html, harness.report.index\n"
        "print('LOADED', [m for m in ('matplotlib', 'rich', 'click') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "LOADED []\n"
