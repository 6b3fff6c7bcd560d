# SPDX-License-Identifier: GPL-2.0-only
"""What a plan lets differ between builds does not keep them from being compared; the rest does."""

from pathlib import Path

import msgspec
import pytest

from harness.errors import RecordError
from harness.judge.conclude import conclude
from harness.judge.conditions.comparable import identity
from harness.judge.tabulate import tabulate
from harness.record import store
from harness.record.record import Build, RunRecord
from harness.report import identity as report
from harness.report import phrases
from tests.unit.builders import build, record

replace = msgspec.structs.replace
ONE, FOUR = "hugepage_alloc_threads=1", "hugepage_alloc_threads=4"


def planned(
    *,
    base: tuple[str, ...] = (ONE,),
    four: tuple[str, ...] = (FOUR,),
    more: tuple[str, ...] = (),
    **changes: object,
) -> RunRecord:
    """Return a run of base and `four`, of one kernel; `more` are options of `four` not planned."""
    made = record()
    argv = {
        "base": ("run", "--kopt=quiet", *(f"--kopt={one}" for one in base)),
        "tip": ("run", "--kopt=quiet", *(f"--kopt={one}" for one in (*more, *four))),
    }
    boots = tuple(
        replace(b, argv=argv[b.build], build="base" if b.build == "base" else "four")
        for b in made.boots
    )
    builds = (
        replace(build("base", 0), kernel_options=base),
        replace(build("four", 0), kernel_options=four, **changes),
    )
    return replace(made, builds=builds, boots=boots)


def test_planned_options_are_named_and_are_no_obstacle() -> None:
    (found,) = identity(tabulate(planned()))
    assert found.ok
    assert found.planned == (f"kernel options: {ONE} in base, {FOUR} in this build",)
    assert "other kernel options" in {pin.name for pin in found.pins}
    assert report.sameness(found)[0] == f"differs as planned: {found.planned[0]}"
    assert report.summary(conclude(planned(), ())).startswith(
        f"base and four differ as planned in kernel options: {ONE} in base, {FOUR} in this build;"
    )


def test_an_option_that_nobody_planned_is_named() -> None:
    (found,) = identity(tabulate(planned(more=("nokaslr",))))
    assert [(pin.name, pin.base, pin.tip) for pin in found.pins if not pin.equal] == [
        ("other kernel options", "quiet", "quiet nokaslr")
    ]


def test_a_planned_option_that_was_not_given_is_named() -> None:
    made = planned()
    boots = tuple(
        replace(b, argv=("run", "--kopt=quiet")) if b.build == "four" else b for b in made.boots
    )
    (found,) = identity(tabulate(replace(made, boots=boots)))
    assert [pin.tip for pin in found.pins if not pin.equal] == [
        f"quiet, without the planned {FOUR}"
    ]


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"kconfig": ("deferred",), "config_sha256": "1" * 64}, {"configuration"}),
        ({"tree": "v7.3", "release": "7.3.4"}, {"release", "configuration"}),
    ],
)
def test_planned_fragments_and_trees_are_not_compared(
    changes: dict[str, object], absent: set[str]
) -> None:
    (found,) = identity(tabulate(planned(**changes)))
    assert found.ok and not absent & {pin.name for pin in found.pins}
    assert len(found.planned) == 2
    (other,) = identity(tabulate(planned(compiler="clang 14", **changes)))
    assert not other.ok


def test_one_kernel_with_two_settings_is_no_null_run() -> None:
    assert not planned().is_null
    assert planned(four=(ONE,)).is_null


def test_a_build_of_the_plan_is_named_as_the_plan_names_it() -> None:
    made = planned()
    assert (phrases.build(made, "four"), made.tip.kind) == ("four", "variant")
    assert phrases.is_base(made, "base") and not phrases.is_base(made, "four")


def saved(folder: Path, made: RunRecord) -> RunRecord:
    store.save(folder, made)
    return store.load(store.folder_of(folder, made) / store.FILE)


def test_a_record_with_builds_of_a_plan_loads(tmp_path: Path) -> None:
    made = planned()
    assert saved(tmp_path, made) == made


@pytest.mark.parametrize(
    "builds",
    [
        (build("four", 0), build("base", 0)),
        (build("base", 0), build("four", 0), build("tip", 2)),
        (build("base", 0), build("four", 0), build("2", 2)),
        (build("base", 0), build("four", 0), build("four", 0)),
    ],
)
def test_no_run_has_such_builds(tmp_path: Path, builds: tuple[Build, ...]) -> None:
    with pytest.raises(RecordError, match="its builds are"):
        saved(tmp_path, replace(planned(), builds=builds))
