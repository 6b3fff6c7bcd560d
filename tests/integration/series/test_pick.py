# SPDX-License-Identifier: GPL-2.0-only
"""Any series, rebased onto any other commit twice, written as mails and applied, is equal."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.git import patches
from harness.git.git import AUTHOR, Git
from harness.host.processes import process
from harness.series.bases.base import SeriesCommits
from harness.series.rebase.history import History
from harness.series.rebase.outcome import PatchStep
from harness.series.rebase.pick import Picker, Stopped

FILE = "mm/zone.c"
#: Where a line is changed, taken out or put in, and what it becomes.
EDIT = st.tuples(
    st.integers(1, 40), st.sampled_from(["set", "drop", "add"]), st.text("abc{}", max_size=4)
)
EDITS = st.lists(EDIT, min_size=1, max_size=3)


def edited(lines: Sequence[str], edits: Sequence[tuple[int, str, str]]) -> list[str]:
    made = list(lines)
    for number, what, text in edits:
        at = min(number, len(made)) - 1
        made[at : at if what == "add" else at + 1] = [] if what == "drop" else [f"\t{text};"]
    return made or ["end"]


class Repository:
    """A base, another commit on it, and a series on the base."""

    def __init__(self, folder: Path, series: Sequence[list[tuple[int, str, str]]]) -> None:
        self.folder = folder
        self.git = Git(folder, log=folder.with_suffix(".log"), deadline=process.Deadline(120))
        self.lines = [f"\tline {n};" for n in range(1, 41)]
        (folder / "mm").mkdir(parents=True)
        self.git("init", "--quiet")
        self.base = self.commit(self.lines, "base")
        lines, commits = self.lines, []
        for number, edits in enumerate(series, 1):
            changed = edited(lines, edits)
            if changed != lines:
                commits.append(self.commit(changed, f"patch {number}\n\nBecause of {edits}."))
            lines = changed
        self.origin = SeriesCommits("here", self.base, tuple(commits), "7.2", "the base")

    def commit(self, lines: Sequence[str], message: str) -> str:
        (self.folder / FILE).write_text("".join(f"{line}\n" for line in lines))
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, env=AUTHOR)
        made = self.git.commit("HEAD")
        assert made is not None
        return made

    def rebase(self, onto: str) -> list[PatchStep] | str:
        """Rebase the series; return the steps, or the note of the patch that stopped."""
        self.git.clean_to(onto)
        history = History(None, "", onto, "none", "a and b")
        with tempfile.TemporaryDirectory() as work:
            picker = Picker(self.git, self.origin, onto, history, Path(work))
            steps = []
            for number, commit in enumerate(self.origin.commits, 1):
                try:
                    steps.append(picker.pick(number, f"patch {number}", commit))
                except Stopped as stopped:
                    assert stopped.places
                    assert all(place.file == FILE for place in stopped.places)
                    return f"patch {number}: {stopped.note}"
        return steps


@given(st.lists(EDITS, min_size=1, max_size=3), EDITS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_series_is_rebased_to_equal_commits_or_stops_at_the_same_place(
    tmp_path: Path, series: list[list[tuple[int, str, str]]], theirs: list[tuple[int, str, str]]
) -> None:
    shutil.rmtree(tmp_path)
    repository = Repository(tmp_path / "linux", series)
    git = repository.git
    # Onto its own base a series is what it was.
    own = repository.rebase(repository.base)
    assert not isinstance(own, str)
    assert tuple(step.commit for step in own) == repository.origin.commits

    git.clean_to(repository.base)
    other = repository.commit(edited(repository.lines, theirs), "theirs")
    found = repository.rebase(other)
    assert repository.rebase(other) == found
    if isinstance(found, str):
        return
    # Written as mails and applied, it is the same once more.
    tip = git.commit("HEAD")
    assert tip is not None
    mails = patches.format_patches(git, other, tip, tmp_path / "mails")
    git.clean_to(other)
    for mail in mails:
        git.am(mail)
    assert git.commit("HEAD") == tip
