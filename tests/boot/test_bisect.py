# SPDX-License-Identifier: GPL-2.0-only
"""Bisection of a history of our own on the real tree: objects only, nothing is booted."""

from pathlib import Path

import msgspec
import pytest

from harness.host.cache import Cache
from harness.jobs.bisect.bisect import BisectRequest, bisect
from harness.judge.rule_syntax import parse_rule
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.replay.timing.schedule import Schedule
from tests.fakes.trees import git

pytestmark = pytest.mark.boot

NEXT = "\t\tif (pfns_per_compound == 1)\n"
AGAIN = "\t\t__init_zone_device_page(page, pfn, zone_idx, nid, pgmap);\n"
SETTLED = "\tpage->zone_device_data = NULL;\n"
#: A subject, and what is replaced in mm/mm_init.c, or nothing of it.
COMMITS = (
    ("Documentation: say more", None),
    ("mm/mm_init: a comment", (NEXT, f"\t\t/* one more */\n{NEXT}")),
    ("mm/mm_init: does not build", (SETTLED, f"{SETTLED}\tbroken;\n")),
    ("mm/mm_init: builds again", ("\tbroken;\n", "")),
    ("mm/mm_init: do it all twice", (NEXT, AGAIN + NEXT)),
    ("mm/mm_init: another comment", ("/* one more */", "/* two more */")),
    ("mm/mm_init: remember the pgmap twice", (SETTLED, SETTLED.replace("NULL", "pgmap"))),
    ("mm/mm_init: a last comment", ("/* two more */", "/* three more */")),
)


class History:
    """A repository that borrows the tree's objects and has commits of ours on top."""

    def __init__(self, folder: Path, cache: Cache, tree: Tree) -> None:
        self.folder = folder
        git(folder.parent, "init", "-q", "--bare", str(folder))
        alternates = folder / "objects" / "info" / "alternates"
        alternates.write_text(f"{cache.repository}/objects\n")
        git(folder, "update-ref", "refs/tags/good", tree.commit)
        git(folder, "read-tree", tree.commit)
        text = git(folder, "show", f"{tree.commit}:mm/mm_init.c") + "\n"
        parent = tree.commit
        self.commits: dict[str, str] = {}
        for number, (subject, edit) in enumerate(COMMITS):
            if edit is None:
                self._put("Documentation/more.rst", f"{number}\n")
            else:
                assert text.count(edit[0]) == 1
                text = text.replace(*edit)
                self._put("mm/mm_init.c", text)
            written = git(folder, "write-tree")
            parent = git(folder, "commit-tree", "-p", parent, "-m", subject, written)
            self.commits[subject] = parent
        git(folder, "update-ref", "refs/tags/bad", parent)

    def _put(self, path: str, text: str) -> None:
        blob = git(self.folder, "hash-object", "-w", "--stdin", stdin=text)
        git(self.folder, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, cache: Cache, tree: Tree) -> History:
    return History(tmp_path_factory.mktemp("history") / "linux.git", cache, tree)


@pytest.fixture
def wanted(history: History) -> BisectRequest:
    return BisectRequest(
        slug="memcpy-streaming",
        good="good",
        bad="bad",
        tree=str(history.folder),
        schedule=Schedule(size_bytes=8 << 30, rounds=3, passes=2, seed=1),
        plan="quick",
        cases=20,
    )


def test_the_commit_that_made_the_memmap_differ(
    project: Project, cache: Cache, history: History, wanted: BisectRequest
) -> None:
    found = bisect(project, cache, wanted)
    assert found.first_bad is not None
    assert found.first_bad.commit == history.commits["mm/mm_init: remember the pgmap twice"]
    assert found.first_bad.files == ("mm/mm_init.c",)
    details = [one.detail for one in found.judged if one.word == "bad"]
    assert all("zone_device_data" in detail for detail in details), details
    assert found.between == len(COMMITS)


def test_the_commit_that_made_it_slower(
    project: Project, cache: Cache, history: History, wanted: BisectRequest
) -> None:
    # To initialize every page twice, the second time in the cache, costs a good part more.
    timed = msgspec.structs.replace(wanted, rule=parse_rule("order0.ratio<1.15"))
    found = bisect(project, cache, timed)
    assert found.first_bad is not None
    assert found.first_bad.commit == history.commits["mm/mm_init: do it all twice"]


def test_the_commit_that_made_it_do_more(
    project: Project, cache: Cache, history: History, wanted: BisectRequest
) -> None:
    counted = msgspec.structs.replace(wanted, rule=parse_rule("order0.instructions_ratio<1.02"))
    found = bisect(project, cache, counted)
    assert found.first_bad is not None
    assert found.first_bad.commit == history.commits["mm/mm_init: do it all twice"]


def test_what_does_not_build_is_skipped_and_hides_no_more_than_it_must(
    project: Project, cache: Cache, history: History, wanted: BisectRequest
) -> None:
    before = history.commits["mm/mm_init: a comment"]
    broken = history.commits["mm/mm_init: does not build"]
    whole = history.commits["mm/mm_init: do it all twice"]
    counted = msgspec.structs.replace(
        wanted, good=before, bad=whole, rule=parse_rule("order0.instructions_ratio<1.02")
    )
    found = bisect(project, cache, counted)
    assert found.first_bad is not None
    assert found.first_bad.commit == whole
    words = {one.commit: one.word for one in found.judged}
    assert words.get(broken, "skip") == "skip"
