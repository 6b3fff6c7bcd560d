# SPDX-License-Identifier: GPL-2.0-only
"""Run records that cannot be written or read, or are invalid."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.faults.fetch import tmpfs
from tests.faults.scene import Ended, Scene
from tests.faults.table import fault

#: Copies of the results of a run, by cache: a run takes seconds, and rows damage its record.
RESULTS: dict[Path, Path] = {}


def made(scene: Scene) -> Path:
    """Put the results of a run into the scene and return the path of the record."""
    results = scene.root / "results"
    if scene.cache in RESULTS:
        shutil.copytree(RESULTS[scene.cache], results)
    else:
        done = scene.reproduce()
        assert done.exit_code == 0, done.stderr
        RESULTS[scene.cache] = scene.folder / "undamaged"
        shutil.copytree(results, RESULTS[scene.cache])
    return next(results.glob("*/*/record.json"))


def damaged(damage: Callable[[bytes], bytes]) -> Callable[[Scene], Ended]:
    """Return a provocation that damages a record and reports it."""

    def provoke(scene: Scene) -> Ended:
        path = made(scene)
        path.write_bytes(damage(path.read_bytes()))
        return scene.harness("report")

    return provoke


def schema(number: int) -> Callable[[bytes], bytes]:
    return lambda raw: json.dumps(json.loads(raw) | {"schema": number}).encode()


fault(
    "record-truncated",
    "a record is truncated",
    65,
    r"record\.json: is not a run record: |record\.json: is damaged: ",
)(damaged(lambda raw: raw[: len(raw) // 2]))
fault("record-empty", "a record is empty", 65, r"record\.json: is not a run record: .*truncated")(
    damaged(lambda _raw: b"")
)
fault(
    "record-newer",
    "a record was made by a newer harness",
    65,
    r"record\.json: has schema 999, made by a newer harness; expected schema \d+ or older",
)(damaged(schema(999)))
fault(
    "record-impossible",
    "a record has a schema that never existed",
    65,
    r"record\.json: has schema 0, which does not exist",
)(damaged(schema(0)))
fault(
    "record-changed",
    "a record has an unknown field",
    65,
    r"record\.json: is damaged: Object contains unknown field `verdict`",
)(damaged(lambda raw: json.dumps(json.loads(raw) | {"verdict": "reproduced"}).encode()))
fault(
    "record-nonsense",
    "a sample in a record is negative",
    65,
    r"record\.json: is damaged: .*ns",
)(damaged(lambda raw: raw.replace(b'"ns": 60000000', b'"ns": -1', 1)))


@fault(
    "record-none",
    "no record exists yet",
    65,
    r"results: holds no run record\. Run `harness reproduce`",
    "none",
    quick=True,
)
def _(scene: Scene) -> Ended:
    return scene.harness("report")


@fault(
    "record-memmap-truncated",
    "a saved memmap is truncated, and `verify` reads it",
    65,
    r"memmap-base-1-nd_pmem\.npz: not a saved memmap: ",
)
def _(scene: Scene) -> Ended:
    scene.series('30, \\"flaws\\": [\\"memmap\\"]')
    assert scene.reproduce().exit_code == 1, "tip leaves other struct pages"
    (path,) = (scene.root / "results").glob("*/*/memmap-base-1-nd_pmem.npz")
    path.write_bytes(path.read_bytes()[:200])
    return scene.harness("verify")


@fault(
    "record-read-only",
    "the results folder is read-only; reported before anything is built",
    69,
    r"results: cannot be written to: .*Read-only file system",
    "none",
)
def _(scene: Scene) -> Ended:
    results = scene.root / "results"
    results.mkdir()
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    before = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, str(results)]
    done = scene.reproduce(before=before)
    assert "boot 1" not in done.stderr
    return done


@fault(
    "record-disk-full",
    "the disk with the results fills up during a boot",
    69,
    r"results/test/\S+: .*no space left",
)
def _(scene: Scene) -> Ended:
    scene.flaws("flood")
    return scene.reproduce(before=tmpfs(scene.root / "results", "8M"))


@fault(
    "record-killed",
    "the harness is killed (SIGKILL) after a boot was recorded, and run again",
    0,
    r"resuming run \S+\nboot 2 of 2",
    "complete: ",
)
def _(scene: Scene) -> Ended:
    arguments = ("reproduce", "test", "--plan", "quick", "--accelerator", "tcg")
    done = scene.killed_at("boot 2 of 2", *arguments)
    assert "boot 1 of 2" not in done.stderr, "a recorded boot was measured again"
    return done


def imported(**logs: str) -> Callable[[Scene], Ended]:
    """Return a provocation that imports logs, each given as text."""

    def provoke(scene: Scene) -> Ended:
        words = ["import-logs", "--series", "test", "--driver", "nd_pmem"]
        for build, text in logs.items():
            (scene.folder / f"{build}.log").write_text(text)
            words += [f"--{build}", str(scene.folder / f"{build}.log")]
        return scene.harness(*words)

    return provoke


def _dmesg(ms: int) -> str:
    line = "memmap_init_zone_device initialised 25804288 pages in {}ms\n"
    return "".join(f"[{n:5}.000000] {line.format(ms + n)}" for n in range(1, 4))


fault(
    "record-log-twice",
    "`import-logs` is given the same boot for base and tip",
    2,
    "--base, --tip: the same log is given twice",
    "none",
)(imported(base=_dmesg(200), tip=_dmesg(200)))
fault(
    "record-log-same-boot",
    "`import-logs` is given two logs of one boot",
    2,
    r"tip\.log: line 2: the same binding as line 2 of .*base\.log; expected each boot once",
    "none",
)(imported(base=_dmesg(200), tip=f"{_dmesg(200)}\n"))
fault(
    "record-log-other",
    "`import-logs` is given a file that is not a kernel log",
    2,
    r"tip\.log: has no line of memmap_init_zone_device\(\)",
    "none",
)(imported(base=_dmesg(200), tip="\0\xff{" * 1000))
