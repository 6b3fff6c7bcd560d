# SPDX-License-Identifier: GPL-2.0-only
"""Each report format follows the rules of its readers."""

import email
import email.policy
import hashlib
import itertools
import json
import re
from xml.etree import ElementTree

import msgspec
import pytest

from harness.errors import RecordError
from harness.judge.conclude import conclude
from harness.judge.conditions.noise import Noise
from harness.report.formats.b4 import b4
from harness.report.formats.github import MAX_OF_A_KIND, annotations
from harness.report.formats.junit import junit
from harness.report.formats.kcidb import kcidb, patchset_hash
from harness.report.formats.ktap import MAX_LOG_LINES, ktap
from harness.report.formats.mail import Thread, mail
from harness.report.formats.markdown import MAX_BYTES, markdown
from harness.report.formats.tested_by import Person
from tests.unit.builders import claims, record
from tests.unit.conclusions import failed, posted
from tests.unit.reports import CONCLUSIONS, DATE, PERSON, THREAD, as_mail, made

replace = msgspec.structs.replace
every = pytest.mark.parametrize("name", CONCLUSIONS)


# --- KTAP: plans, numbers, indentation; tests/boot runs the kernel's parser ---


@every
def test_ktap_plans_match_and_a_parent_fails_with_its_children(name: str) -> None:
    lines = made(name, "ktap").splitlines()
    assert lines[0] == "KTAP version 1"
    plans = [int(line.strip()[3:]) for line in lines if re.fullmatch(r"\s*1\.\.[0-9]+", line)]
    results = [m for line in lines if (m := re.match(r"( *)(ok|not ok) ([0-9]+) (\S+)", line))]
    assert plans == [
        sum(not m[1] for m in results),
        *(len(run) for run in _runs(results)),
    ]
    for run, parent in zip(_runs(results), [m for m in results if not m[1]], strict=True):
        assert [int(m[3]) for m in run] == list(range(1, len(run) + 1))
        assert (parent[2] == "ok") == all(m[2] == "ok" for m in run)
        assert parent[4] not in {m[4] for m in run}


def _runs(results: list[re.Match[str]]) -> list[list[re.Match[str]]]:
    """The results of each subtest, which stand in front of their parent's."""
    return [list(g) for below, g in itertools.groupby(results, lambda m: bool(m[1])) if below]


def test_ktap_limits_the_lines_of_a_splat() -> None:
    rec = failed()
    *boots, last = rec.boots
    splat = replace(last.findings[0], splat="\n".join(f"line {n}" for n in range(100)))
    rec = replace(rec, boots=(*boots, replace(last, findings=(splat,))))
    text = ktap(conclude(rec, claims()))
    assert text.count("# | line ") == MAX_LOG_LINES
    assert f"{100 - MAX_LOG_LINES} more lines" in text


# --- JUnit: what both schemas require ---

_SUITE = {"name", "timestamp", "hostname", "tests", "failures", "errors", "time", "package", "id"}


@every
def test_junit_is_valid_by_both_schemas(name: str) -> None:
    root = ElementTree.fromstring(made(name, "xml"))
    assert (root.tag, root.attrib) == ("testsuites", {})
    for number, suite in enumerate(root):
        assert suite.tag == "testsuite"
        assert set(suite.attrib) == _SUITE | {"skipped"}
        assert suite.attrib["id"] == str(number)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        tags = [child.tag for child in suite]
        cases = tags.count("testcase")
        assert tags == ["properties", *["testcase"] * cases, "system-out", "system-err"]
        for case in suite.iter("testcase"):
            _is_case(case)
        for one in suite.iter("property"):
            assert set(one.attrib) == {"name", "value"}
            assert one.attrib["name"]
        for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert len(list(suite.iter(tag))) == int(suite.attrib[count])
        assert cases == int(suite.attrib["tests"])
    tokens = (value for one in root.iter() for value in one.attrib.values())
    assert all(value == " ".join(value.split()) for value in tokens)


def _is_case(case: ElementTree.Element) -> None:
    assert set(case.attrib) == {"name", "classname", "time"}
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", case.attrib["time"])
    assert len(case) <= 1
    for child in case:
        assert child.tag in ("failure", "error", "skipped")
        assert set(child.attrib) == {"message", "type"}


@pytest.mark.parametrize("form", [junit, kcidb])
def test_a_record_without_a_valid_start_time_is_refused(form: object) -> None:
    assert callable(form)
    with pytest.raises(RecordError, match="'yesterday' is not a time; expected ISO 8601"):
        form(conclude(replace(record(), started="yesterday"), claims()))


# --- KCIDB: kcidb() itself checks every report with kcidb-io ---


def test_a_patchset_is_hashed_as_the_schema_says() -> None:
    patches = [b"one\n", b"two\n"]
    digests = tuple(hashlib.sha256(patch).hexdigest() for patch in patches)
    listed = "".join(f"{digest}\n" for digest in digests)  # sha256sum *.patch | cut -c-64
    assert patchset_hash(digests) == hashlib.sha256(listed.encode()).hexdigest()


def test_kcidb_has_a_checkout_of_base_and_one_of_the_series() -> None:
    subject = CONCLUSIONS["reproduced"].record.subject
    report = json.loads(made("reproduced", "kcidb.json"))
    base, series = report["checkouts"]
    assert base["patchset_hash"] == ""
    assert "message_id" not in base
    assert series["patchset_hash"] == patchset_hash(subject.patch_sha256)
    assert series["message_id"] == "cover@example.org"
    assert {c["git_commit_hash"] for c in (base, series)} == {subject.base}
    assert [b["checkout_id"] for b in report["builds"]] == [base["id"], series["id"]]


def test_kcidb_omits_fields_that_the_record_lacks() -> None:
    rec = record()
    rec = replace(rec, subject=replace(rec.subject, base="unknown"))
    _, series = json.loads(kcidb(conclude(rec, claims())))["checkouts"]
    assert not {"patchset_hash", "message_id", "git_commit_hash"} & set(series)


def test_a_prefix_has_a_patchset_hash_and_a_variant_has_none() -> None:
    rec = posted(CONCLUSIONS["replay"].record)
    base, one, two = rec.builds
    rec = replace(rec, builds=(base, one, replace(two, name="movdir64b")))
    _, first, variant = json.loads(kcidb(conclude(rec, claims())))["checkouts"]
    assert first["patchset_hash"] == patchset_hash(("1" * 64,))
    assert "patchset_hash" not in variant


@every
def test_kcidb_ids_are_unique_and_references_resolve(name: str) -> None:
    report = json.loads(made(name, "kcidb.json"))
    for kind in ("checkouts", "builds", "tests"):
        ids = [one["id"] for one in report[kind]]
        assert len(set(ids)) == len(ids)
        assert all(one.startswith("memmap_harness:") for one in ids)
    assert {b["checkout_id"] for b in report["builds"]} <= {c["id"] for c in report["checkouts"]}
    assert {t["build_id"] for t in report["tests"]} <= {b["id"] for b in report["builds"]}


def test_kcidb_boots_and_numbers_refer_to_their_build() -> None:
    report = json.loads(made("reproduced", "kcidb.json"))
    build = {build["id"]: build["misc"]["build"] for build in report["builds"]}
    for test in report["tests"]:
        for name in ("base", "tip"):
            if f".boots.{name}-" in test["path"] or f".claim.{name}." in test["path"]:
                assert build[test["build_id"]] == name


def test_kcidb_gets_seconds() -> None:
    report = json.loads(made("reproduced", "kcidb.json"))
    (mean,) = (t for t in report["tests"] if t["path"].endswith("nd_pmem.claim.base.rebind_mean"))
    assert mean["number"] == {"value": 0.272, "unit": "s", "prefix": "metric"}


def test_kcidb_takes_another_origin() -> None:
    report = json.loads(kcidb(CONCLUSIONS["tcg"], "our_ci"))
    for kind in ("checkouts", "builds", "tests"):
        assert {one["origin"] for one in report[kind]} == {"our_ci"}


# --- Markdown and GitHub ---


@every
@pytest.mark.parametrize("limit", [200, 1200, 3000])
def test_markdown_keeps_to_a_limit_and_says_what_is_omitted(name: str, limit: int) -> None:
    whole, cut = made(name, "md"), markdown(CONCLUSIONS[name], limit)
    assert len(cut.encode()) <= limit
    assert cut == whole or cut.endswith(f"this report is limited to {limit} bytes.\n")
    assert cut.count("<details>") == cut.count("</details>")


def test_markdown_of_many_splats_stays_below_githubs_limit() -> None:
    rec = failed()
    last = rec.boots[-1]
    splat = replace(last.findings[0], splat="é" * 300 + "\n" + "x" * 70_000)
    many = tuple(replace(last, number=n, findings=(splat,)) for n in range(20))
    text = markdown(conclude(replace(rec, boots=many), claims()))
    assert MAX_BYTES * 0.9 < len(text.encode()) <= MAX_BYTES
    assert "omitted" in text
    assert text.startswith("## memcpy-streaming")


def test_github_gets_ten_annotations_of_a_kind_and_a_count() -> None:
    noise = tuple(Noise("load", f"boot {n}", "busy", "wait") for n in range(30))
    lines = annotations(replace(CONCLUSIONS["failed"], noise=noise)).splitlines()
    warnings = [line for line in lines if line.startswith("::warning ")]
    assert len(warnings) == MAX_OF_A_KIND
    assert warnings[-1].endswith("::24 more are listed in the summary")
    assert sum(line.startswith("::error ") for line in lines) == 1


def test_github_gets_no_annotation_for_passed_results() -> None:
    assert made("reproduced", "github.txt") == ""


# --- b4 ---


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("reproduced", "pass"),
        ("port", "warn"),
        ("contradicted", "fail"),
        ("inconclusive", "warn"),
        ("tcg", "warn"),
        ("failed", "fail"),
        ("lost", "warn"),
        ("replay", "warn"),
        ("replay-doubts", "warn"),
        ("memmaps-differ", "fail"),
    ],
)
def test_b4_gets_one_entry_that_passes_only_for_the_posted_patches(name: str, status: str) -> None:
    (entry,) = json.loads(b4(CONCLUSIONS[name]))
    assert set(entry) == {"tool", "status", "summary", "details"}
    assert entry["status"] == status


# --- mail ---


@every
def test_a_mail_is_valid_and_replies_to_its_thread(name: str) -> None:
    message = email.message_from_bytes(as_mail(CONCLUSIONS[name]), policy=email.policy.strict)
    assert message.defects == []
    assert list(message.keys()) == [
        "From", "Date", "Subject", "In-Reply-To", "References",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    ]  # fmt: skip
    assert message["Subject"] == "Re: [PATCH v2 0/7] mm: a series"
    assert message["In-Reply-To"] == message["References"] == "<cover@example.org>"
    assert message["From"].addresses[0].display_name == PERSON.name
    assert message["Date"].datetime == DATE
    body = message.get_content()
    assert all(len(line) <= 78 for line in body.splitlines())
    assert not any(line != line.rstrip() for line in body.splitlines())


def test_a_mail_has_the_blocks_of_the_cover_letter() -> None:
    body = made("reproduced", "eml")
    assert (
        "\nBase(v7.2.13):\n"
        "  First binding for nd_pmem driver: 1360.00 ms\n"
        "  Average of subsequent rebinds: 272.00 ms\n"
        "\n"
        "  First binding for dax_pmem driver: 1632.00 ms\n"
        "  Average of subsequent rebinds: 273.00 ms\n"
        "\n"
        "With this series:\n"
        "  First binding for nd_pmem driver: 550.00 ms\n"
    ) in body


def test_a_build_without_samples_has_no_block() -> None:
    body = made("lost", "eml")
    assert "Base(v7.2.13):" in body
    assert "With this series" not in body


def test_a_mail_without_a_message_id_replies_to_nothing() -> None:
    raw = mail(CONCLUSIONS["port"], Thread("[PATCH] x", ""), None)
    message = email.message_from_bytes(raw)
    assert next(iter(message.keys())) == "Subject"
    assert not {"In-Reply-To", "References", "From", "Date"} & set(message.keys())


@pytest.mark.parametrize(
    "address", ["", "name", "a@b\nBcc: c@d", "a b@c", "@b", "a@", "a@b..c", "a..b@c"]
)
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not a mail address"):
        mail(CONCLUSIONS["port"], THREAD, Person("N", address))


def test_a_name_in_any_script_is_kept() -> None:
    person = Person("Дмитрий, (тест)", "d@example.org")
    raw = mail(CONCLUSIONS["reproduced"], THREAD, person, DATE)
    head = raw.partition(b"\n\n")[0]
    assert head.isascii()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["From"].addresses[0].display_name == person.name
    assert f"Tested-by: {person.name} <{person.address}>" in message.get_content()
