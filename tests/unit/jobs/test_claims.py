# SPDX-License-Identifier: GPL-2.0-only
"""Whose claims a run of any source is judged by."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from harness.claims.letter import RunStatement
from harness.claims.statement import parse_claims
from harness.errors import InputError
from harness.events import Event, Note
from harness.host.cache import Cache
from harness.jobs.claims import ClaimsRequest, run_claims
from harness.project.project import Project
from harness.project.run_claims import RunClaims
from harness.series import read
from harness.series.mails.mail import PatchMail
from harness.series.read import SourceMails
from harness.series.source import Commits, Mails, Message, Port, Posted, Source
from tests.unit.claims.test_letter import SPACES
from tests.unit.claims.test_letters import HEADERS, PROCEDURE, SENTENCE

SLUG = "memcpy-streaming"
COVER_OF_2 = "20260521040124.10608-1-lizhe.67@bytedance.com"
LETTER = f"{HEADERS}\n{PROCEDURE}{SPACES}{SENTENCE}\n".encode()
PATCH = PatchMail(1, 1, 1, "one", (), LETTER.replace(b"0/2", b"1/1"), "two@example.org")
MAILS = SourceMails((PATCH, replace(PATCH, number=2)), "mbox x", ("", ""), cover=LETTER)
BRANCH = Commits(Path("/linux"), "a" * 40, "b" * 40, "fast")


NONE = RunStatement()


class Asked:
    """Asks for the claims of a source whose mails are given."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project, self.cache = Project.find(), Cache(tmp_path)
        self.mails: SourceMails | None = None
        self.said: list[str] = []
        monkeypatch.setattr(read, "patches", self._patches)

    def __call__(
        self, source: Source | None, *, slug: str = "new", given: RunStatement = NONE
    ) -> RunClaims | None:
        wanted = ClaimsRequest(slug, source, "quick", given)
        return run_claims(self.project, self.cache, wanted, self._listen)

    def _patches(self, *_given: object) -> SourceMails:
        assert self.mails is not None, "no mail is needed"
        return self.mails

    def _listen(self, event: Event) -> None:
        assert isinstance(event, Note)
        self.said.append(event.text)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(tmp_path, monkeypatch)


@pytest.mark.parametrize("source", [None, Port("v7.2")])
def test_a_port_answers_to_series_yaml(asked: Asked, source: Source | None) -> None:
    assert asked(source, slug=SLUG) is None
    assert asked.said == []
    stated = RunStatement(parse_claims(["nd_pmem=50%"]))
    own = asked(source, slug=SLUG, given=stated)
    assert own is not None
    assert {c.version for c in own.claims} == {0, 2}
    assert [(c.metric, c.guest) for c in own.claims if c.version == 0] == [("nd_pmem", "pmem-4g")]


@pytest.mark.parametrize("source", [Mails(Path("x")), Message("two@example.org"), BRANCH])
def test_mails_answer_to_their_cover_letter(asked: Asked, source: Source) -> None:
    asked.mails = MAILS
    own = asked(source)
    assert own is not None
    assert own.source == "the cover letter <two@example.org>"
    assert [(c.metric, c.claimed_percent, c.guest) for c in own.claims] == [
        ("nd_pmem", 60.0, "pmem-100g")
    ]
    assert asked.said[0].startswith("claim nd_pmem: 250.50 -> 100.20 ms (the cover letter <two@")


def test_a_single_patch_answers_to_its_message(asked: Asked) -> None:
    asked.mails = replace(MAILS, cover=b"", patches=(PATCH,))
    own = asked(BRANCH)
    assert own is not None
    assert own.source == "the patch <two@example.org>"
    assert len(own.claims) == 1


def test_patches_without_a_letter_answer_to_no_claim(asked: Asked) -> None:
    asked.mails = replace(MAILS, cover=b"", label="branch fast")
    assert asked(BRANCH) == RunClaims("branch fast has no cover letter")
    (said,) = asked.said
    assert said.startswith("no claims: branch fast has no cover letter; state claims with --claim")


@pytest.mark.parametrize("source", [Mails(Path("x")), BRANCH])
def test_mails_of_a_kept_version_answer_to_its_claims(asked: Asked, source: Source) -> None:
    asked.mails = replace(MAILS, message_id=COVER_OF_2, cover=b"")
    own = asked(source, slug=SLUG)
    assert own is not None
    assert own.source == "series.yaml, v2"
    assert own.claims == tuple(c for c in asked.project.claims(SLUG) if c.version == 2)
    assert asked.said == []
    # Its own letter says other figures.
    asked.mails = replace(MAILS, cover=LETTER.replace(b"two@example.org", COVER_OF_2.encode()))
    assert asked(source, slug=SLUG) == own
    (said,) = asked.said
    assert "claims nd_pmem: 250.50 -> 100.20 ms; series.yaml, which counts, has nd_pmem" in said


def test_mails_of_no_version_do_not_answer_to_a_kept_series(asked: Asked) -> None:
    asked.mails = replace(MAILS, cover=b"")
    own = asked(Mails(Path("x")), slug=SLUG)
    assert own is not None
    assert own.claims == ()


def test_a_posted_version_answers_to_series_yaml_and_the_letter_is_compared(asked: Asked) -> None:
    asked.mails = MAILS
    assert asked(Posted(2), slug=SLUG) is None
    assert len(asked.said) == 1
    # One that series.yaml has no claims of: its letter has.
    own = asked(Posted(11), slug=SLUG)
    assert own is not None
    assert [c.claimed_percent for c in own.claims] == [60.0]


@pytest.mark.parametrize("source", [None, Posted(2), Mails(Path("x"))])
def test_no_claims_are_used_if_none_are_wanted(asked: Asked, source: Source | None) -> None:
    asked.mails = MAILS
    assert asked(source, slug=SLUG, given=RunStatement(no_others=True)) == RunClaims("--no-claims")
    assert asked.said == ["no claims are used: --no-claims"]


def test_a_claim_about_a_patch_that_there_is_not_is_refused(asked: Asked) -> None:
    asked.mails = MAILS
    stated = RunStatement(parse_claims(["nd_pmem@2=5%"]))
    own = asked(BRANCH, given=stated)
    assert own is not None
    assert [c.after_patch for c in own.claims] == [None, 2]
    with pytest.raises(InputError) as caught:
        asked(BRANCH, given=RunStatement(parse_claims(["nd_pmem@3=5%"])))
    assert str(caught.value).startswith("--claim nd_pmem@3=5%: no patch 3; expected 1 to 2")


def test_a_claim_about_a_metric_of_another_workload_is_refused(asked: Asked) -> None:
    asked.mails = MAILS
    (stated,) = parse_claims(["nd_pmem=5%"])
    other = RunStatement((replace(stated, metric="scan_time"),))
    with pytest.raises(InputError) as caught:
        asked(BRANCH, given=other)
    assert str(caught.value) == (
        "--claim nd_pmem=5%: no metric scan_time; expected nd_pmem or dax_pmem: the workload is "
        "zone_device"
    )
