# SPDX-License-Identifier: GPL-2.0-only
"""The build stage with real make, gcc, git and bubblewrap, on a fake kernel tree."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness.errors import DoesNotBuild, InputError, TimedOut
from harness.events import Advanced, Event, Note
from harness.host.cache import Cache
from harness.host.processes import process
from harness.kernel import build, configure
from harness.project.kernel import Fragment, Recipe, Tree

COMMITTER = {
    f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}
FAKE = Path(__file__).parents[2] / "fakes" / "linux"
TREE = Tree(name="fake", commit="0" * 40, release="7.2.99", source="fake")
#: Of the fake tree as it is, and of the same with another option in its Kconfig.
COMMIT, OTHER = "refs/tags/one", "refs/tags/other"


def recipe(text: str = "CONFIG_DAX=y\n") -> Recipe:
    return Recipe("minimal", (Fragment("test", text),), "gcc")


def knob(folder: Path, name: str, value: str) -> None:
    """Break the fake tree as its Makefile says; environment variables do not reach make."""
    (folder / "source" / "knobs.mk").write_text(f"{name} := {value}\n")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    source = tmp_path / "source"
    shutil.copytree(FAKE, source)
    cache = Cache(tmp_path / "cache")
    for text, tag in (("", "one"), ("config OTHER\n\tbool\n", "other")):
        with (source / "drivers/dax/Kconfig").open("a") as kconfig:
            kconfig.write(text)
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", tag], ["tag", tag]):
            subprocess.run(
                ["git", "-C", source, *arguments], check=True, env=os.environ | COMMITTER
            )
    subprocess.run(["git", "clone", "-q", "--bare", source, cache.repository], check=True)

    @contextmanager
    def checked_out(_cache: Cache, _tree: Tree, _commit: str, *_: object) -> Iterator[Path]:
        yield source

    monkeypatch.setattr(build, "checked_out", checked_out)
    return cache


def test_a_kernel_is_built_once_and_then_cached(cache: Cache) -> None:
    events: list[Event] = []
    kernel = build.build(cache, TREE, COMMIT, recipe(), events.append)
    assert Path(kernel.image).read_bytes().startswith(b"\x7fELF")
    assert kernel.release == "7.2.99"
    notes = subprocess.run(
        ["readelf", "-n", f"{kernel.folder}/vmlinux"], capture_output=True, text=True, check=True
    )
    assert kernel.build_id in notes.stdout
    assert Path(kernel.config).read_text() == "CONFIG_DAX=y\n"
    steps = [e for e in events if isinstance(e, Advanced)]
    assert [(e.done, e.total) for e in steps] == [(1, 3), (2, 3), (3, 3)]

    began = time.monotonic()
    assert build.build(cache, TREE, COMMIT, recipe()) == kernel
    assert time.monotonic() - began < 1


def test_a_build_that_waits_for_another_says_so(cache: Cache) -> None:
    with build.objects(cache, TREE, COMMIT, recipe()):
        file = max((cache.root / "locks").glob("objects-*"), key=lambda path: len(path.name))
    events: list[Event] = []
    with ExitStack() as held:
        held.enter_context(Cache(cache.root).locked(file.stem))

        def hear(event: Event) -> None:
            events.append(event)
            held.close()

        with build.objects(cache, TREE, COMMIT, recipe(), hear):
            pass
    assert events[0] == Note("waiting until another harness has built in the same folder")


def test_a_tag_without_its_commit_does_not_stop_a_build(cache: Cache) -> None:
    """A user may delete the clone that holds the commit, even while a run uses the cache."""
    lost = cache.repository / "refs/tags/series/x/branch-x/7.2/1"
    lost.parent.mkdir(parents=True)
    lost.write_text("1" * 40 + "\n")
    assert build.build(cache, TREE, COMMIT, recipe()).release == "7.2.99"


def test_another_commit_or_recipe_is_another_kernel(cache: Cache) -> None:
    kernels = {
        build.build(cache, TREE, commit, how).key
        for commit in (COMMIT, OTHER)
        for how in (recipe(), recipe("CONFIG_DAX=y\nCONFIG_NUMA=y\n"))
    }
    assert len(kernels) == 4


def test_it_is_configured_again_only_if_its_inputs_changed(cache: Cache, tmp_path: Path) -> None:
    def configured(commit: str, how: Recipe) -> int:
        with build.objects(cache, TREE, commit, how) as make:
            assert make.output.text(".config") == how.fragments[0].text
            return (make.output.path / ".config").stat().st_mtime_ns

    first = configured(COMMIT, recipe())
    assert configured(COMMIT, recipe()) == first
    second = configured(OTHER, recipe())
    assert second != first
    (config,) = (tmp_path / "cache" / "objects").glob("*/.config")
    config.write_text("CONFIG_DAX=m\n")
    third = configured(OTHER, recipe())
    assert third != second
    (config.parent / configure.NOTE).write_text("{")
    assert configured(OTHER, recipe()) != third


def test_warnings_are_unknown_if_a_build_prints_too_much(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build.warnings(build.build(cache, TREE, COMMIT, recipe())) == {}
    monkeypatch.setattr(process, "MAX_LOG_BYTES", 100)
    assert build.warnings(build.build(cache, TREE, OTHER, recipe())) is None


def test_a_warning_in_an_object_of_a_killed_make_is_reported(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source" / "mm" / "memremap.c"
    source.write_text(source.read_text() + "#warning seen\n")
    knob(tmp_path, "HANG", "vmlinux")
    with monkeypatch.context() as patched:
        patched.setattr(build, "BUILD_S", 3)
        patched.setattr(process, "GRACE_S", 0.5)
        with pytest.raises(TimedOut):
            build.build(cache, TREE, COMMIT, recipe())
    assert list(cache.objects.rglob("memremap.o")), "it was compiled before the make was killed"
    knob(tmp_path, "HANG", "")
    warned = build.warnings(build.build(cache, TREE, COMMIT, recipe()))
    assert warned == {"mm/memremap.c: #warning seen [-Wcpp]": 1}


def test_a_damaged_cached_kernel_is_built_again(cache: Cache) -> None:
    kernel = build.build(cache, TREE, COMMIT, recipe())
    (Path(kernel.folder) / "kernel.json").write_text("{")
    again = build.build(cache, TREE, COMMIT, recipe())
    assert again.build_id == kernel.build_id


@pytest.mark.parametrize("target", ["prepare", "vmlinux", "bzImage"])
def test_a_failing_build_exits_with_3_and_leaves_no_kernel(
    cache: Cache, tmp_path: Path, target: str
) -> None:
    knob(tmp_path, "FAIL", target)
    with pytest.raises(DoesNotBuild) as caught:
        build.build(cache, TREE, COMMIT, recipe())
    assert caught.value.exit_code == 3
    assert f"{target}: broken on request" in (caught.value.detail or "")
    assert not cache.kernels.exists()
    knob(tmp_path, "FAIL", "")
    assert build.build(cache, TREE, COMMIT, recipe()).release == "7.2.99"


def test_a_compile_error_is_shown(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "source" / "mm" / "memremap.c").write_text(
        "int broken(void) { return nonesuch; }\n"
    )
    with pytest.raises(DoesNotBuild) as caught:
        build.build(cache, TREE, COMMIT, recipe())
    assert "nonesuch" in (caught.value.detail or "")


def test_an_option_that_is_dropped_is_named_with_the_reason(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knob(tmp_path, "DROP", "DEV_DAX")
    with pytest.raises(InputError) as caught:
        build.build(cache, TREE, COMMIT, recipe("CONFIG_DAX=y\nCONFIG_DEV_DAX=y\n"))
    assert caught.value.exit_code == 2
    assert "configs/kconfig/test.config:2: CONFIG_DEV_DAX=y became n" in str(caught.value)
    assert "not set: TRANSPARENT_HUGEPAGE" in str(caught.value)


@pytest.mark.parametrize(
    ("kconfig", "why"),
    [
        (
            "config DEV_DAX\n\tbool 'd'\n\tdepends on !DAX\n\tdepends on !KMSAN\n",
            "it depends on (!DAX) && (!KMSAN); set: DAX",
        ),
        (
            "if BLOCK\nmenu 'm'\nsource 'drivers/dax/Kconfig'\nendmenu\nendif\n",
            "it depends on (BLOCK) && (TRANSPARENT_HUGEPAGE); not set: BLOCK, TRANSPARENT_HUGEPAGE",
        ),
        (
            "config DEV_DAX\n\tdef_bool n\n",
            "it depends on nothing; it has no prompt: only `select` and its default",
        ),
        ("source 'arch/$(SRCARCH)/Kconfig'\n", "it depends on (X86_ONLY); not set: X86_ONLY"),
        ("source '../outside'\n", "this tree has no such option for x86_64"),
        ("source 'drivers'\nsource 'none'\n", "this tree has no such option for x86_64"),
        ("source 'link'\n", "this tree has no such option for x86_64"),
    ],
)
def test_the_reason_for_a_dropped_option_is_found_in_the_kconfig_files(
    cache: Cache, tmp_path: Path, kconfig: str, why: str
) -> None:
    knob(tmp_path, "DROP", "DEV_DAX")
    source = tmp_path / "source"
    (tmp_path / "outside").write_text("config DEV_DAX\n\tbool 'd'\n")
    (source / "link").symlink_to(tmp_path / "outside")
    (source / "arch/x86").mkdir(parents=True)
    (source / "arch/x86/Kconfig").write_text("config DEV_DAX\n\tbool 'd'\n\tdepends on X86_ONLY\n")
    (source / "Kconfig").write_text(kconfig)
    with pytest.raises(InputError) as caught:
        build.build(cache, TREE, COMMIT, recipe("CONFIG_DAX=y\nCONFIG_DEV_DAX=y\n"))
    assert f"CONFIG_DEV_DAX=y became n: {why}" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "is_shown"),
    [
        ("init/Kconfig:12:warning: no new line at end of file", True),
        ("warning: unsafe memcpy() usage lacked 'x' symbol in lib/x.c", True),
        ("mm/mm_init.c:12:6: warning: unused variable 'x'", True),
        ("ok: unsafe memcpy() usage correctly detected", False),
        ("mm/mm_init.c:12:6: note: a warning", False),
    ],
)
def test_all_forms_of_a_warning_are_shown_while_a_kernel_is_built(
    cache: Cache, tmp_path: Path, line: str, is_shown: bool
) -> None:
    with (tmp_path / "source/Makefile").open("a") as makefile:
        makefile.write(f'\nbzImage: said\n.PHONY: said\nsaid:\n\t@echo "{line}"\n')
    events: list[Event] = []
    build.build(cache, TREE, COMMIT, recipe(), events.append)
    assert (line in [getattr(event, "text", "") for event in events]) == is_shown


def test_an_unknown_option_is_named(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knob(tmp_path, "DROP", "NO_SUCH_THING")
    with pytest.raises(InputError, match="this tree has no such option for x86_64"):
        build.build(cache, TREE, COMMIT, recipe("CONFIG_NO_SUCH_THING=y\n"))


def test_fragments_that_contradict_each_other_are_refused(cache: Cache) -> None:
    how = Recipe("minimal", (Fragment("a", "CONFIG_X=y\n"), Fragment("b", "\nCONFIG_X=n\n")), "gcc")
    with pytest.raises(InputError, match=r"b\.config:2: CONFIG_X=n contradicts .*a\.config:1"):
        build.build(cache, TREE, COMMIT, how)


def test_a_malformed_fragment_is_named(cache: Cache) -> None:
    with pytest.raises(InputError, match=r"test\.config: line 1"):
        build.build(cache, TREE, COMMIT, recipe("NUMA=y\n"))


def test_a_cache_below_a_path_with_a_space_is_refused_with_a_hint(
    cache: Cache, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        build.build(Cache(tmp_path / "my cache"), TREE, COMMIT, recipe())


def test_a_build_that_hangs_is_killed_at_its_deadline(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knob(tmp_path, "HANG", "vmlinux")
    monkeypatch.setattr(build, "BUILD_S", 3)
    monkeypatch.setattr(process, "GRACE_S", 0.5)
    with pytest.raises(TimedOut) as caught:
        build.build(cache, TREE, COMMIT, recipe())
    assert caught.value.exit_code == 69
    assert not cache.kernels.exists()
