# SPDX-License-Identifier: GPL-2.0-only
from xml.etree import ElementTree

import msgspec
import pytest

from harness.judge.conclude import Conclusion, conclude
from harness.record.record import RunRecord
from harness.report.page import plots
from tests.unit.builders import claims, record
from tests.unit.conclusions import named

replace = msgspec.structs.replace
NAMED = named()
SVG = "{http://www.w3.org/2000/svg}"


def drawn(made: RunRecord) -> dict[str, bytes]:
    return dict(plots.draw(conclude(made, claims())))


def small() -> RunRecord:
    """Return a run of one driver with one boot per build and no first bindings: few pictures."""
    made = record(base_ms=(270,), tip_ms=(110,), rebinds=1)
    boots = tuple(
        replace(b, samples=tuple(s for s in b.samples if s.op == "rebind")) for b in made.boots
    )
    return replace(made, boots=boots, setup=replace(made.setup, nr_pages={"nd_pmem": 1}))


def texts(picture: bytes) -> list[str]:
    root = ElementTree.fromstring(picture)
    return [e.text for e in root.iter(f"{SVG}text") if e.text is not None]


def test_each_picture_is_a_file_with_title_and_description() -> None:
    found = drawn(small())
    assert list(found) == ["samples-nd_pmem-rebind.svg", "gain-nd_pmem-ns.svg"]
    samples, gain = map(texts, found.values())
    assert samples[0] == "nd_pmem: rebinds, ms"
    assert {"base", "270.00 ms", "tip", "110.00 ms"} <= set(samples)
    assert gain[0] == "nd_pmem: time, percent of base's"
    assert "40.7 % (-59.3 points)" in gain
    for picture in (samples, gain):
        for what in ("memcpy-streaming", "v7.2.13", "Some Xeon", "boot-kvm", record().run_id):
            assert what in picture[-1]


def test_every_sample_has_a_dot_with_its_time() -> None:
    picture = ElementTree.fromstring(drawn(small())["samples-nd_pmem-rebind.svg"])
    dots = [dot.findtext(f"{SVG}title") for dot in picture.iter(f"{SVG}circle")]
    assert dots == ["boot 0: 270 ms", "boot 0: 110 ms"]


def test_prefixes_are_in_the_order_of_the_series() -> None:
    found = dict(plots.draw(NAMED["prefixes"]))
    labels = [text for text in texts(found["gain-nd_pmem-ns.svg"]) if text.startswith("patch ")]
    assert labels == ["patch 1", "patch 2"]


@pytest.mark.parametrize("name", NAMED)
def test_a_picture_is_self_contained(name: str) -> None:
    for picture in dict(plots.draw(NAMED[name])).values():
        root = ElementTree.fromstring(picture)
        assert int(float(root.attrib["height"])) > 90
        (described,) = (e for e in root.iter(f"{SVG}svg") if e.get("role") == "img")
        ids = {e.get("id") for e in root.iter()}
        assert set(described.attrib["aria-labelledby"].split()) <= ids
        styles = "".join(e.text or "" for e in root.iter(f"{SVG}style"))
        assert ".dot" in styles
        for reference in ("var(", "url(", "@import", "href"):
            assert reference.encode() not in picture


def test_the_same_run_gives_the_same_bytes() -> None:
    assert drawn(small()) == drawn(small())


def test_text_of_others_is_escaped() -> None:
    made = small()
    odd = "</text><script>alert(1)</script>\x1b[2J\0 ünï \ud800"
    found = drawn(replace(made, machine=replace(made.machine, cpu=odd)))
    picture = found["samples-nd_pmem-rebind.svg"]
    assert not list(ElementTree.fromstring(picture).iter(f"{SVG}script"))
    assert "<script>alert(1)</script>\\x1b[2J" in texts(picture)[-1]


def test_a_name_with_slashes_becomes_a_file_name() -> None:
    made = small()
    setup = replace(made.setup, nr_pages={"../../x y": 1})
    boots = tuple(
        replace(b, samples=tuple(replace(s, metric="../../x y") for s in b.samples))
        for b in made.boots
    )
    found = drawn(replace(made, setup=setup, boots=boots))
    assert "samples-------x-y-rebind.svg" in found
    assert all("/" not in name for name in found)


def test_a_run_without_samples_has_no_picture() -> None:
    assert list(plots.draw(Conclusion(replace(record(), boots=())))) == []
