# SPDX-License-Identifier: GPL-2.0-only
"""Faults that can happen at any time."""

import signal

from tests.faults.scene import Ended, Scene
from tests.faults.table import fault


@fault(
    "anywhere-cache-is-file",
    "the cache folder is a file",
    69,
    r"cache\S*: (not a folder|.*Not a directory)",
    quick=True,
)
def _(scene: Scene) -> Ended:
    scene.cache.parent.mkdir()
    scene.cache.write_text("")
    return scene.harness("apply", "test")


@fault(
    "anywhere-cache-read-only",
    "the cache is on a read-only file system",
    69,
    r"cache\S*: .*[Rr]ead-only file system.*XDG_CACHE_HOME",
)
def _(scene: Scene) -> Ended:
    scene.cache.mkdir(parents=True)
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    before = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, str(scene.cache)]
    return scene.harness("apply", "test", before=before)


@fault(
    "anywhere-files-exhausted",
    "the limit on open files is 9 (ulimit -n)",
    69,
    r"[Tt]oo many open files.*ulimit -n",
)
def _(scene: Scene) -> Ended:
    return scene.harness("apply", "test", before=["prlimit", "--nofile=9"])


@fault(
    "anywhere-no-sandbox",
    "bubblewrap does not work, and the series is a third party's",
    69,
    r"bubblewrap does not work here .*and this series is not our own.*--no-sandbox",
    "none",
)
def _(scene: Scene) -> Ended:
    scene.program("bwrap", "echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    return scene.reproduce("--mbox", str(scene.mbox()))


@fault(
    "anywhere-interrupted",
    "Ctrl-C",
    130,
    r"harness: interrupted; finished work is stored",
)
def _(scene: Scene) -> Ended:
    scene.flaws("hang")
    process = scene.start("reproduce", "test", "--plan", "quick", "--accelerator", "tcg")
    assert process.stderr is not None
    heard = ""
    for line in process.stderr:
        heard += line
        if "boot 1" in line:
            break
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    return Ended(process.returncode, stdout, heard + stderr)


@fault(
    "anywhere-reader-gone",
    "the reader of the output closes the pipe",
    0,
    r"^$",
    quick=True,
)
def _(scene: Scene) -> Ended:
    return scene.harness("tree", "list", before=["sh", "-c", '"$0" "$@" | true'])
