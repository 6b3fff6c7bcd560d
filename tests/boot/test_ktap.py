# SPDX-License-Identifier: GPL-2.0-only
"""Our KTAP, read by the kernel's own parser from the very tree that is on trial."""

import sys
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.host.processes import process
from harness.project.kernel import Tree
from harness.report.formats.ktap import ktap
from harness.trees.tree import checked_out
from tests.unit.report.test_hostile import MARKUP, spoilt
from tests.unit.reports import CONCLUSIONS

pytestmark = pytest.mark.boot
#: kunit.py's exit code, and how many of the results it counts as what.
EXPECTED = {
    "reproduced": (0, "passed: 14"),
    "contradicted": (1, "failed: 2"),
    "inconclusive": (1, "failed: 2"),
    "tcg": (0, "skipped: 2"),
    "failed": (1, "failed: 4"),
    "lost": (1, "failed: 4"),
    "replay": (0, "passed: 17"),
    "memmaps-differ": (1, "failed: 5"),
}


def parsed(source: Path, text: str, folder: Path) -> process.Finished:
    file = folder / "results.ktap"
    file.write_text(text)
    kunit = source / "tools/testing/kunit/kunit.py"
    # -B: the tree is not ours to write to.
    return process.run(
        [sys.executable, "-B", str(kunit), "parse", str(file)],
        log=folder / "log",
        deadline=process.Deadline(120),
        ok=(0, 1),
    )


def test_the_kernels_parser_counts_what_we_count(cache: Cache, tree: Tree, tmp_path: Path) -> None:
    with checked_out(cache, tree, tree.commit) as source:
        for name, (code, counted) in EXPECTED.items():
            done = parsed(source, ktap(CONCLUSIONS[name]), tmp_path)
            assert "[ERROR]" not in done.stdout, name
            assert done.exit_code == code, name
            assert counted in done.stdout, name


def test_no_text_leads_it_astray(cache: Cache, tree: Tree, tmp_path: Path) -> None:
    with checked_out(cache, tree, tree.commit) as source:
        expected = parsed(source, ktap(spoilt("plain")), tmp_path).stdout.splitlines()[-1]
        for text in ("".join(MARKUP), "\n".join(MARKUP)):
            done = parsed(source, ktap(spoilt(text)), tmp_path)
            said = done.stdout.splitlines()[-1]
            assert said.partition("Ran")[2] == expected.partition("Ran")[2]
            assert "[ERROR]" not in done.stdout
