# SPDX-License-Identifier: GPL-2.0-only
"""Series that cannot be applied."""

import shutil

from tests.fakes.trees import edit
from tests.faults.fetch import tmpfs
from tests.faults.scene import Ended, Scene
from tests.faults.table import fault

APPLY = ("apply", "test")


@fault(
    "apply-conflict",
    "a patch was made for another tree",
    3,
    r"mm/mm_init\.c:\d+: patch 2/2 \(mm/mm_init: do it at once\) does not apply\. Rebase it",
    quick=True,
)
def _(scene: Scene) -> Ended:
    edit(
        scene.patches[1],
        r'-const char fake_kernel[] = "fake kernel: {\"ms\": 60',
        "-const char nothing",
    )
    return scene.harness(*APPLY)


@fault(
    "apply-wrapped",
    "a mail program wrapped lines of a patch",
    2,
    r"0002-\S+\.patch:\d+: the patch's lines were wrapped or damaged; expected a whole series",
)
def _(scene: Scene) -> Ended:
    edit(scene.patches[1], "#include <linux/mm.h>", "#include\n<linux/mm.h>")
    return scene.harness(*APPLY)


@fault(
    "apply-incomplete",
    "a patch of the series is missing",
    2,
    r"ports/v7\.2: lacks patch 1 of 2; expected a whole series as an mbox",
    quick=True,
)
def _(scene: Scene) -> Ended:
    scene.patches[0].unlink()
    return scene.harness(*APPLY)


@fault(
    "apply-b4-missing",
    "b4 is not installed",
    69,
    r"b4 is not installed\. Run \./bootstrap",
)
def _(scene: Scene) -> Ended:
    scene.without("b4")
    return scene.harness(*APPLY, "--mbox", str(scene.mbox()))


@fault(
    "apply-b4-hangs",
    "b4 hangs",
    69,
    r"b4 did not end within 4 s and was killed",
)
def _(scene: Scene) -> Ended:
    scene.program("b4", "sleep 1000")
    patience = "import harness.series.mails.select as s; s.SELECT_S = 4"
    return scene.harness(*APPLY, "--mbox", str(scene.mbox()), patience=patience)


@fault(
    "apply-git-killed",
    "the OOM killer kills git while a patch is applied",
    69,
    r"git am was killed by SIGKILL\. The whole log is in",
)
def _(scene: Scene) -> Ended:
    real = shutil.which("git")
    scene.program("git", f'case " $* " in *" am "*) kill -9 $$ ;; esac\nexec {real} "$@"')
    return scene.harness(*APPLY)


@fault(
    "apply-disk-full",
    "the disk is full when the series is applied",
    69,
    r"no space left|No space left",
)
def _(scene: Scene) -> Ended:
    room = [
        "sh",
        "-c",
        'head -c 10M /dev/zero >"$0/filler" 2>&-; exec "$@"',
        str(scene.cache.parent),
    ]
    before = [*tmpfs(scene.cache.parent, "3M"), *room]
    return scene.harness(*APPLY, before=before)


@fault(
    "apply-killed",
    "the harness is killed (SIGKILL) while git applies, and run again",
    0,
    r"[0-9a-f]{12}  mm/mm_init: do it at once",
)
def _(scene: Scene) -> Ended:
    return scene.killed_at("apply test", *APPLY)
