# SPDX-License-Identifier: GPL-2.0-only
"""Failing builds: broken sources, compilers and machines."""

import os
import time

from tests.fakes.trees import edit
from tests.faults.fetch import tmpfs
from tests.faults.scene import Ended, Scene
from tests.faults.table import fault

BUILD = ("build", "test", "--plan", "quick")


def broken(scene: Scene, recipe: str) -> None:
    """Add a command to the recipe of vmlinux in tip's Makefile."""
    target = "vmlinux: prepare $(addprefix $(O)/,$(objects))\n"
    scene.series(touch=lambda tree: edit(tree / "Makefile", target, f"{target}\t{recipe}\n"))


@fault(
    "build-fails",
    "make fails on a file of the series",
    3,
    r"the kernel does not build: make failed with exit code 2\. The whole log is in",
    quick=True,
)
def _(scene: Scene) -> Ended:
    scene.series(
        touch=lambda tree: (tree / "mm/mm_init.c").write_text("int f(void) { return x; }\n")
    )
    return scene.harness(*BUILD)


@fault(
    "build-hangs",
    "make hangs",
    69,
    r"make did not end within 6 s and was killed",
)
def _(scene: Scene) -> Ended:
    broken(scene, "@sleep 1000")
    return scene.harness(*BUILD, patience="import harness.kernel.build as b; b.BUILD_S = 6")


@fault(
    "build-compiler-killed",
    "the OOM killer kills the compiler",
    69,
    r"the machine failed the build: .*[Kk]illed.*not the series",
)
def _(scene: Scene) -> Ended:
    # As gcc does when cc1 is killed. make's rules call it cc.
    words = "echo 'cc: fatal error: Killed signal terminated program cc1' >&2; exit 1"
    scene.program("cc", f'case " $* " in *mm_init.c*) {words} ;; esac\nexec /usr/bin/cc "$@"')
    return scene.harness(*BUILD)


@fault(
    "build-make-killed",
    "the OOM killer kills make",
    69,
    r"the machine failed the build: make was killed by SIGKILL",
)
def _(scene: Scene) -> Ended:
    broken(scene, "@sleep 1000")
    return scene.while_killing("bzImage", *BUILD)


@fault(
    "build-program-missing",
    "a program that the kernel's Makefile needs is not installed",
    69,
    r"the machine failed the build: .*nonesuch-flex: not found.*not the series",
)
def _(scene: Scene) -> Ended:
    broken(scene, "@true; nonesuch-flex --version")
    return scene.harness(*BUILD)


@fault(
    "build-compiler-missing",
    "the compiler is not installed",
    69,
    r"compiler gcc: gcc is not installed\. Install gcc",
    quick=True,
)
def _(scene: Scene) -> Ended:
    scene.without("gcc")
    return scene.harness(*BUILD)


@fault(
    "build-compiler-swapped",
    "the compiler is upgraded between base and tip",
    69,
    r"base was built with gcc 1, tip with gcc 2; expected one compiler",
    "none",
)
def _(scene: Scene) -> Ended:
    scene.program(
        "gcc",
        'if [ "$1" = --version ]; then\n'
        f"  ls {scene.cache}/kernels/*/kernel.json >/dev/null 2>&1 &&\n"
        "    echo 'gcc 2' || echo 'gcc 1'\n"
        'else exec /usr/bin/gcc "$@"; fi',
    )
    return scene.reproduce()


@fault(
    "build-disk-full",
    "the disk fills up while a kernel is built",
    69,
    r"the machine failed the build: .*No space left on device.*not the series",
)
def _(scene: Scene) -> Ended:
    broken(scene, "@head -c 100M /dev/zero > $(O)/large")
    patience = "import harness.kernel.build as b; b.ROOM_BYTES = 0"
    return scene.harness(*BUILD, before=tmpfs(scene.cache.parent, "24M"), patience=patience)


@fault(
    "build-no-room",
    "the cache's file system has too little room for a build",
    69,
    r"GiB free, too little to build a kernel; expected 2\.0 GiB",
)
def _(scene: Scene) -> Ended:
    return scene.harness(*BUILD, before=tmpfs(scene.cache.parent, "24M"))


@fault(
    "build-option-lost",
    "an option that the plan asks for does not exist in this tree",
    2,
    r"configs/kconfig/timing\.config:\d+: CONFIG_HIGH_RES_TIMERS=y became n: this tree has no such",
)
def _(scene: Scene) -> Ended:
    lost = "allnoconfig:\n\t$(maybe)\n"
    drop = "DROP := HIGH_RES_TIMERS\n"
    scene.series(touch=lambda tree: edit(tree / "Makefile", lost, f"{drop}{lost}"))
    return scene.harness(*BUILD)


@fault(
    "build-clock-set-back",
    "the clock is set back after base was built: base's objects are newer than tip's sources",
    0,
    r"the clock was set back since the last build: building from scratch",
)
def _(scene: Scene) -> Ended:
    base = scene.harness(*BUILD, "--prefix", "0")
    assert base.exit_code == 0, base.stderr
    later = time.time() + 3600
    for path in (scene.cache / "objects").rglob("*"):
        os.utime(path, (later, later), follow_symlinks=False)
    both = scene.harness(*BUILD)
    kernels = list((scene.cache / "kernels").glob("*/vmlinux"))
    assert len({path.read_bytes() for path in kernels}) == 2, "tip is base's kernel"
    return both


@fault(
    "build-cached-kernel-damaged",
    "a cached kernel was truncated when the machine crashed",
    0,
    r"built base: ",
)
def _(scene: Scene) -> Ended:
    assert scene.harness(*BUILD).exit_code == 0
    for image in (scene.cache / "kernels").glob("*/bzImage"):
        image.write_bytes(image.read_bytes()[:100])
    return scene.reproduce()


@fault(
    "build-cache-moved",
    "the cache folder is moved after kernels were built",
    0,
    r"untested: emulated time",
    "complete: ",
)
def _(scene: Scene) -> Ended:
    assert scene.harness(*BUILD).exit_code == 0
    moved = scene.folder / "moved"
    scene.cache.parent.rename(moved)
    scene.cache = moved / scene.cache.name
    return scene.reproduce()


@fault(
    "build-killed",
    "the harness is killed (SIGKILL) while a kernel is built, and run again",
    0,
    r"untested: emulated time",
    "complete: ",
)
def _(scene: Scene) -> Ended:
    arguments = ("reproduce", "test", "--plan", "quick", "--accelerator", "tcg")
    return scene.killed_at("build tip", *arguments)
