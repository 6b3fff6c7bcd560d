# SPDX-License-Identifier: GPL-2.0-only
"""Differences of a build from base, with real commits, objects and configurations."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from harness.host.cache import Cache
from harness.judge.conditions.comparable import identity
from harness.judge.tabulate import tabulate
from harness.kernel.identity import Built, with_differences
from harness.record.record import Build, RunRecord
from tests.fakes.trees import git
from tests.unit.builders import record

BASE = (
    "int kept(void) { return 1; }\nint changed(int a) { return a; }\nint gone(void) { return 2; }\n"
)
TIP = (
    "int kept(void) { return 1; }\nint changed(int a) { return a * a * 7 + a / 3; }\n"
    "static int fresh(int a) { return a + 5; }\nint (*user)(int) = fresh;\n"
)


class Scene:
    """A repository with two commits, and a build of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = Cache(folder / "cache")
        self.cache.repository.parent.mkdir(parents=True)
        work = folder / "work"
        work.mkdir()
        git(work, "init", "--quiet")
        self.commits = {
            "base": self.commit(work, {"mm/mm_init.c": BASE, "README": "a\n"}),
            "tip": self.commit(work, {"mm/mm_init.c": TIP, "mm/new ä.h": "\n"}),
        }
        git(work, "clone", "--quiet", "--bare", ".", str(self.cache.repository))

    def commit(self, work: Path, files: dict[str, str]) -> str:
        for name, text in files.items():
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_text(text)
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "--message", "a change")
        return git(work, "rev-parse", "HEAD")

    def built(self, name: str, source: str, config: str | None) -> Built:
        binary = self.folder / f"{name}.o"
        argv = ["cc", "-O1", "-x", "c", "-c", "-o", str(binary), "-"]
        subprocess.run(argv, input=source, text=True, check=True)
        kept = None
        if config is not None:
            kept = self.folder / f"{name}.config"
            kept.write_text(config)
        build = Build(name, 0, self.commits[name], "7.2", name, name, "gcc")
        return Built(build, binary, kept)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_the_differences_from_base_are_recorded(scene: Scene) -> None:
    base = scene.built("base", BASE, "# made by 7.2\nCONFIG_A=y\n# CONFIG_B is not set\n")
    tip = scene.built("tip", TIP, "# made later\nCONFIG_A=y\nCONFIG_B=y\n")
    _, build = with_differences(scene.cache, [base, tip])
    assert build.files == ("mm/mm_init.c", "mm/new ä.h")
    assert build.config_diff == ("-# CONFIG_B is not set", "+CONFIG_B=y")
    assert build.symbols is not None
    sizes = {s.name: (s.base_bytes, s.build_bytes) for s in build.symbols}
    assert set(sizes) == {"changed", "gone", "fresh", "user"}
    before, after = sizes["changed"]
    assert before is not None and after is not None and before < after
    assert sizes["gone"][1] is None and sizes["user"] == (None, 8)


def test_base_does_not_differ_from_itself(scene: Scene) -> None:
    base = scene.built("base", BASE, "# made by 7.2\nCONFIG_A=y\n")
    (build,) = with_differences(scene.cache, [base])
    assert (build.files, build.symbols, build.config_diff) == ((), (), ())
    again = scene.built("base", BASE, "# made an hour later\nCONFIG_A=y\n")
    assert (
        with_differences(scene.cache, [base, again])[1].options_sha256 == build.options_sha256 != ""
    )


def test_options_are_unknown_without_a_config(scene: Scene) -> None:
    base = scene.built("base", BASE, "CONFIG_A=y\n")
    tip = scene.built("tip", TIP, None)
    lost = Built(tip.build, tip.binary, scene.folder / "gone.config")
    for build in with_differences(scene.cache, [base, tip, lost])[1:]:
        assert (build.options_sha256, build.config_diff) == ("", None)
        assert build.files == ("mm/mm_init.c", "mm/new ä.h")


def test_files_are_unknown_without_the_commits(scene: Scene) -> None:
    base = scene.built("base", BASE, None)
    lost = Build("tip", 1, "0" * 40, "7.2", "tip", "tip", "gcc")
    _, build = with_differences(scene.cache, [base, Built(lost, base.binary, None)])
    assert (build.files, build.symbols) == (None, ())
    empty = Cache(scene.folder / "another")
    assert with_differences(empty, [base])[0].files is None


def test_the_facts_become_the_proof(scene: Scene) -> None:
    config = "CONFIG_A=y\n"
    base, tip = (scene.built(n, s, config) for n, s in (("base", BASE), ("tip", TIP)))
    builds = with_differences(scene.cache, [base, tip])
    rec: RunRecord = msgspec.structs.replace(record(), builds=builds)
    again = msgspec.json.decode(msgspec.json.encode(rec), type=RunRecord)
    (proof,) = identity(tabulate(again))
    assert proof.ok
    assert proof.files == ("mm/mm_init.c", "mm/new ä.h")
    assert proof.config_diff == ()
