# SPDX-License-Identifier: GPL-2.0-only
"""Two versions in mails of our own, compared without a tree, a network or anything cached."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.fakes.kernels import Kernels
from tests.fakes.trees import git

REPLY = """\
From b Thu Jan  1 00:00:00 2026
From: B <b@example.org>
Date: Fri, 2 Jan 2026 00:00:00 +0000
Subject: Re: [PATCH {number}/3] something
Message-ID: <reply-{number}@example.org>
In-Reply-To: <{parent}>

> quoted

Tested-by: B <b@example.org>
"""


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    return Kernels(tmp_path)


def mails(kernels: Kernels, version: int, base: str, tip: str) -> bytes:
    argv = ("format-patch", "-q", "--stdout", "--cover-letter", "--thread", f"-v{version}")
    return git(kernels.linux, *argv, f"{base}..{tip}").encode() + b"\n\n"


def replies(text: bytes) -> bytes:
    """A Tested-by for every patch of a thread, in a mail each."""
    lines = text.decode().split("\n")
    ids = [line.split("<")[1].rstrip(">") for line in lines if line.startswith("Message-I")]
    made = [REPLY.format(number=n, parent=ids[n]) for n in range(1, len(ids))]
    return "\n".join(made).encode()


@pytest.fixture
def versions(kernels: Kernels) -> tuple[Path, Path]:
    """v1 is the series; v2 is on another base, one patch renames, one says more, one is new."""
    first = mails(kernels, 1, "v7.2", "series")
    old = kernels.project.root / "v1.mbox"
    old.write_bytes(first + replies(first))
    kernels.release("v7.3-rc1", {1: "\tabove;"}, insert=True)
    git(kernels.linux, "checkout", "-q", "-b", "v2")
    git(kernels.linux, "cherry-pick", "v7.2..series")
    git(kernels.linux, "reset", "-q", "--hard", "HEAD~3")
    kernels.edit("mm/zone.c", {31: "\tours 30;"})
    kernels.commit("mm/zone: ours, early")
    kernels.edit("mm/zone.c", {91: "\tlate_nt 90;", 92: "\tlate_nt 91;"})
    kernels.commit("mm/zone: ours, late")
    kernels.edit("mm/memremap.c", {5: "\tmemmap_init_zone_device(memmap, 2 * 2048);"})
    kernels.commit("mm/memremap: map more")
    kernels.write("mm/new.c", ["int x;"])
    kernels.commit("mm: a new file")
    new = kernels.project.root / "v2.mbox"
    new.write_bytes(mails(kernels, 2, "v7.3-rc1", "v2"))
    return old, new


def test_patches_names_and_trailers_are_followed(
    kernels: Kernels, versions: tuple[Path, Path]
) -> None:
    # Neither tree is available.
    kernels.trees()
    done = kernels.harness("versions", *map(str, versions), "--series", "test", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = [(p["before"], p["relation"], p["after"], p["change"]) for p in found["patches"]]
    assert rows == [
        (1, "=", 1, "same"),
        (2, "!", 2, "renamed"),
        (3, "!", 3, "changed"),
        (None, ">", 4, "new"),
    ]
    assert [(r["old"], r["new"]) for r in found["renamed"]] == [("late", "late_nt")]
    assert [(t["patch"], t["counts"], t["advice"]) for t in found["trailers"]] == [
        (1, True, "may be added"),
        (2, True, "may be added"),
        (3, False, "gone"),
    ]


def test_the_report_says_why(kernels: Kernels, versions: tuple[Path, Path]) -> None:
    argv = ("versions", *map(str, versions), "--series", "test", "--diff")
    done = kernels.harness(*argv)
    assert done.returncode == 0, done.stderr
    for line in (
        "mbox v1.mbox against mbox v2.mbox",
        "    2 !   2  mm/zone: ours, late: only names changed: late is now late_nt",
        "    3 !   3  mm/memremap: map more: its code changed: 2 lines differ",
        "  Tested-by of patch 3 by B <b@example.org>: gone (its code changed: 2 lines differ)",
    ):
        assert line in done.stdout.split("\n")
    assert "++\tmemmap_init_zone_device(memmap, 2 * 2048);" in done.stdout


def test_a_version_equals_itself_on_any_base(kernels: Kernels, versions: tuple[Path, Path]) -> None:
    old = str(versions[0])
    done = kernels.harness("versions", "v7.2", old, "--series", "test", "--json")
    assert done.returncode == 0, done.stderr
    assert [p["change"] for p in json.loads(done.stdout)["patches"]] == ["same"] * 3


FIGURES = """\
Tested in a VM with a 100 GB fsdax namespace with map=dev, rebinding nd_pmem 30 times.

Base(v7.2):
  First binding for nd_pmem driver: 1486 ms
  Average of subsequent rebinds: 273.52 ms

With this series:
  First binding for nd_pmem driver: 1389 ms
  Average of subsequent rebinds: {mean} ms
"""


def test_figures_are_those_in_the_mails(kernels: Kernels, versions: tuple[Path, Path]) -> None:
    for path, mean in zip(versions, ("111.08", "96.79"), strict=True):
        text = path.read_text().replace("*** BLURB HERE ***", FIGURES.format(mean=mean))
        path.write_text(text)
    done = kernels.harness("versions", *map(str, versions), "--series", "test", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["what"]: row["by"] for row in json.loads(done.stdout)["figures"]}
    assert round(rows["series mean (ms)"], 2) == -14.29
    assert rows["base mean (ms)"] == 0


def test_one_file_may_hold_both(kernels: Kernels, versions: tuple[Path, Path]) -> None:
    thread = kernels.project.root / "thread.mbox"
    thread.write_bytes(versions[0].read_bytes() + b"\n\n" + versions[1].read_bytes())
    argv = ("versions", f"{thread}@v1", f"{thread}@2", "--series", "test", "--json")
    done = kernels.harness(*argv)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["patches"]) == 4
    assert len(found["trailers"]) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v9", "no version 'v9' of test; expected one of v1, a port (v7.2), mails, "),
        ("thread.mbox@v3", "no version 'thread.mbox@v3'"),
        ("empty.mbox", "holds no patch"),
        ("both.mbox@v3", "holds no version 3"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    kernels: Kernels, versions: tuple[Path, Path], name: str, message: str
) -> None:
    root = kernels.project.root
    (root / "both.mbox").write_bytes(versions[0].read_bytes() + versions[1].read_bytes())
    (root / "empty.mbox").write_bytes(b"hello\n")
    there = root / name if name.startswith(("both", "empty")) else name
    done = kernels.harness("versions", str(there), str(versions[1]), "--series", "test")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_comparison_leaves_no_files(kernels: Kernels, versions: tuple[Path, Path]) -> None:
    kernels.harness("versions", *map(str, versions), "--series", "test")
    assert not list((kernels.cache.root / "staging").iterdir())
    status = ["git", "-C", str(kernels.linux), "status", "--porcelain"]
    assert subprocess.run(status, capture_output=True, check=True).stdout == b""
