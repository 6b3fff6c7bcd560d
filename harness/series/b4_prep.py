# SPDX-License-Identifier: GPL-2.0-only
"""Finds the cover letter that `b4 prep` keeps with a branch.

b4 keeps it in an empty commit below the patches (its strategy `commit`) or above them
(`tip-commit`), or in the branch's description.
"""

import email.message
import email.policy
import re
from typing import Any

import msgspec

from harness.git.git import ForeignGit, lines
from harness.series.source import Commits

#: b4 0.16: ez.py, MAGIC_MARKER.
MARKER = "--- b4-submit-tracking ---"
#: Comments are for the author; `>#` is a heading.
_COMMENT = re.compile(r"^#.*\n?", re.MULTILINE)
_HEADING = re.compile(r"^>(#.*)$", re.MULTILINE)


class Prepared(msgspec.Struct, frozen=True):
    """The first and last commit of a prepared branch's patches."""

    base: str
    tip: str


class Letter(msgspec.Struct, frozen=True):
    """A cover letter: the version of the series, its subject and text."""

    version: int
    subject: str
    text: str


def found(git: ForeignGit, branch: str, base: str, tip: str) -> Prepared | None:
    """Return the range of a prepared branch that forked at `base`; None for any other branch."""
    commit = _cover_commit(git, f"{base}..{tip}")
    if commit is not None:
        below = f"{commit}^"
        parent = git.commit(below) or base
        if commit != tip:
            return Prepared(parent, tip)
        return Prepared(_base_branch(git, _tracking(git, commit), parent) or base, parent)
    tracking = _of_description(git, branch)
    if tracking is None:
        return None
    return Prepared(_base_branch(git, tracking[1], tip) or base, tip)


def letter(git: ForeignGit, source: Commits) -> Letter | None:
    """Return the cover letter of a branch's commits, if b4 has one."""
    commit = _cover_commit(git, f"{source.base}..{source.tip}")
    above = git.commit(f"refs/heads/{source.branch}") if source.branch else None
    if commit is None and above is not None and git.commit(f"{above}^") == source.tip:
        commit = _cover_commit(git, f"{source.tip}..{above}")
    if commit is not None:
        text = _message(git, commit).partition(MARKER)[0]
        return _letter(text, _tracking(git, commit))
    described = _of_description(git, source.branch)
    return None if described is None else _letter(*described)


def mail(git: ForeignGit, source: Commits, cover: Letter, total: int) -> bytes:
    """Return a cover letter as the mail that b4 would send, of the author of the last patch."""
    shown = git("show", "--no-patch", "--format=%an%n%ae%n%aD", source.tip).stdout
    name, address, date, *_ = shown.split("\n")
    made = email.message.EmailMessage(email.policy.SMTP.clone(linesep="\n", cte_type="8bit"))
    number = f" v{cover.version}" if cover.version > 1 else ""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    headers = {
        "From": f'"{quoted}" <{address}>',
        "Subject": f"[PATCH{number} 0/{total}] {cover.subject}",
        "Date": date,
    }
    for header, value in headers.items():
        made[header] = " ".join(value.split())
    made.set_content(f"{cover.text}\n")
    return made.as_bytes()


def _cover_commit(git: ForeignGit, between: str) -> str | None:
    form = ("--format=%H", "--max-count=1", "--no-mailmap")
    done = git("log", "--fixed-strings", f"--grep={MARKER}", *form, between, "--", ok=None)
    commit = next(iter(lines(done.stdout)), None)
    if commit is None or MARKER not in _message(git, commit).split("\n"):
        return None
    is_empty = git("diff-tree", "--quiet", f"{commit}^", commit, ok=None).exit_code == 0
    return commit if is_empty else None


def _message(git: ForeignGit, commit: str) -> str:
    return git("show", "--no-patch", "--format=%B", commit).stdout


def _tracking(git: ForeignGit, commit: str) -> dict[str, Any]:
    return _decoded(_message(git, commit).partition(MARKER)[2].partition("{")[2], "{")


def _of_description(git: ForeignGit, branch: str) -> tuple[str, dict[str, Any]] | None:
    def value(key: str) -> str:
        return git("config", "--get", f"branch.{branch}.{key}", ok=None).stdout.strip()

    tracking = value("b4-tracking") if branch else ""
    return (value("description"), _decoded(tracking)) if tracking else None


def _decoded(text: str, start: str = "") -> dict[str, Any]:
    """Return the key `series` of b4's JSON, as far as it can be read: anyone can edit it."""
    try:
        series = msgspec.json.decode(start + text, type=dict[str, Any]).get("series")
    except msgspec.MsgspecError:
        return {}
    return series if isinstance(series, dict) else {}


def _base_branch(git: ForeignGit, tracking: dict[str, Any], tip: str) -> str | None:
    name = tracking.get("base-branch")
    commit = git.commit(name) if isinstance(name, str) and not name.startswith("-") else None
    return git("merge-base", commit, tip, ok=None).stdout.strip() or None if commit else None


def _letter(text: str, tracking: dict[str, Any]) -> Letter | None:
    plain = _HEADING.sub(r"\1", _COMMENT.sub("", text)).strip()
    subject, _, rest = plain.partition("\n")
    revision = tracking.get("revision")
    version = revision if isinstance(revision, int) and 0 < revision < 1000 else 1
    return Letter(version, subject.strip(), rest.strip()) if subject else None
