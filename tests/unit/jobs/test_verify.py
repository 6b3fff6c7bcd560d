# SPDX-License-Identifier: GPL-2.0-only
"""`harness verify` names members of struct folio by the order that the guest's pages have."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import InputError
from harness.host.cache import Cache
from harness.jobs.verify import page_decoder
from harness.memmap.decode import Decoder, FlagsLayout
from harness.memmap.struct_layout import Layout, Member
from harness.project.project import Project
from harness.replay import compare
from harness.replay.program import objects
from harness.trees import tree
from tests.unit.builders import checkout, record

PAGE = Layout("page", 64, (Member("flags", 0, 8),))
#: A member of struct folio in the second struct page of a compound.
FOLIO = Layout("folio", 128, (Member("_nr_pages", 124, 4),))


def found(project: Project, guest: str, driver: str) -> Decoder:
    made = record()
    setup = msgspec.structs.replace(made.setup, guest=guest)
    made = msgspec.structs.replace(made, setup=setup)
    return page_decoder(project, Cache.default(), made, driver)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A checkout with guests of its own; no tree is fetched and nothing compiled."""

    def nothing(*_: Any) -> tuple[None]:
        return (None,)

    monkeypatch.setattr(objects, "programs", nothing)
    monkeypatch.setattr(tree, "fetch", nothing)
    monkeypatch.setattr(compare, "layouts", lambda _: (PAGE, FOLIO))
    monkeypatch.setattr(compare, "flags", lambda _: FlagsLayout())
    made = checkout(tmp_path / "project")
    (made.root / "guests").unlink()
    made.guests_folder.mkdir()
    return made


def add_guest(project: Project, mode: str, align: str) -> None:
    (project.guests_folder / "g.yaml").write_text(
        "description: one namespace\nmemory: 1G\n"
        f"namespaces: [{{mode: {mode}, size: 4G, align: {align}}}]\n"
    )


@pytest.mark.parametrize(
    ("mode", "align", "order"),
    [
        ("fsdax", "2M", 0),
        ("fsdax", "1G", 0),
        ("devdax", "4K", 0),
        ("devdax", "2M", 9),
        ("devdax", "1G", 18),
    ],
)
def test_compounds_are_as_large_as_the_namespace_is_aligned(
    project: Project, mode: str, align: str, order: int
) -> None:
    add_guest(project, mode, align)
    (namespace,) = project.guest("g").namespaces
    assert namespace.order == order
    find = found(project, "g", namespace.driver)
    # Of a compound of 1 GiB, page 513 is a tail like any other; of 2 MiB ones it is the second.
    named = [page for page in (1, 513, (1 << 18) + 1) if find.member(page, 60)]
    assert named == {0: [], 9: [1, 513, (1 << 18) + 1], 18: [1, (1 << 18) + 1]}[order]


def test_a_guest_that_lost_the_namespace_is_named(project: Project) -> None:
    add_guest(project, "fsdax", "2M")
    with pytest.raises(InputError, match=r"guests/g\.yaml: has no namespace for dax_pmem any more"):
        found(project, "g", "dax_pmem")


def test_a_guest_that_is_gone_is_named(project: Project) -> None:
    add_guest(project, "fsdax", "2M")
    with pytest.raises(InputError, match="no guest 'other'"):
        found(project, "other", "dax_pmem")
