# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.host.digest import value_digest
from harness.project.plan import Plan, PlannedBuild
from harness.project.yaml_file import YamlFile

PLAN = "description: x\nguest: g\nrebinds: 1\nkconfig: []\nkernel_options: [quiet]\n"
#: Of this plan, before a plan could name builds.
DIGEST = "0de7d5d45f72b08037ba28ba1b6191e2aec04fba19139cc947ed296baf66d4a2"


def read(builds: str) -> Plan:
    return YamlFile(Path("p.yaml"), PLAN + builds).load(Plan, name="p")


def test_a_plan_names_its_builds_base_first() -> None:
    plan = read(
        "builds:\n"
        "  base: {kernel_options: [hugepage_alloc_threads=1]}\n"
        "  four-threads: {kernel_options: [hugepage_alloc_threads=4]}\n"
        "  streamed: {patches: 5, kconfig: [deferred]}\n"
        "  newer: {tree: v7.3}\n"
    )
    assert plan.build_names == ("base", "four-threads", "streamed", "newer")
    assert plan.options_of("base") == ("quiet", "hugepage_alloc_threads=1")
    assert plan.options_of("newer") == ("quiet",)
    assert plan.build("streamed") == PlannedBuild(patches=5, kconfig=("deferred",))


def test_a_plan_without_builds_has_the_digest_it_had() -> None:
    plan = read("")
    assert plan.build_names == ()
    assert plan.options_of("tip") == ("quiet",)
    assert value_digest(plan) == DIGEST
    assert value_digest(plan) != value_digest(read("builds: {base: {}, two: {patches: 2}}\n"))


@pytest.mark.parametrize(
    ("builds", "said"),
    [
        ("{}", "key 'builds': 0 given, 'nothing' first; expected base first, and another one"),
        ("[base]", "key 'builds': is a list; expected a mapping"),
        ("{base: {}}", "key 'builds': 1 given, 'base' first; expected base first, and another"),
        ("{two: {patches: 2}, base: {}}", "key 'builds': 2 given, 'two' first; expected base"),
        ("{base: {}, two: {}}", "key 'builds': base and two are the same; expected different"),
        *(
            (f"{{base: {{}}, {name!r}: {{patches: 1}}}}", f"key 'builds': {name!r}")
            for name in ("3", "tip", "again", "follow-up", "limit", "each", "a b", "A", "-x")
        ),
        ("{base: {}, 3: {patches: 1}}", "key 'builds': a key is a whole number; expected text"),
        ("{base: {}, two: }", "key 'builds.two': is nothing; expected a mapping"),
        ("{base: {}, two: {patches: -1}}", "key 'builds.two.patches': -1; expected 0 (base) or"),
        ("{base: {}, two: {patches: all}}", "key 'builds.two.patches': is text; expected a whole"),
        ("{base: {}, two: {tree: v7.3, patches: 1}}",
         "key 'builds.two.tree': given with patches: 1; expected one of them"),
        ("{base: {}, two: {option: x}}", "key 'builds.two.option': unknown key; expected one of"),
        ("{base: {}, two: {kernel_options: [a b]}}",
         "key 'builds.two.kernel_options': 'a b'; expected one option per entry"),
        ("{base: {}, two: {kernel_options: ['']}}", "key 'builds.two.kernel_options': ''; exp"),
        ('{base: {}, two: {kernel_options: ["a\\nb"]}}', "key 'builds.two.kernel_options'"),
    ],
)  # fmt: skip
def test_builds_that_cannot_be_compared_are_refused(builds: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(f"builds: {builds}\n")
    assert str(caught.value).startswith(f"p.yaml:6: {said}")
    assert "\n" not in str(caught.value)
