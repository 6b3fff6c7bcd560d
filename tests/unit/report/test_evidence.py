# SPDX-License-Identifier: GPL-2.0-only
"""No report format claims more than the evidence allows."""

import json
import re
from xml.etree import ElementTree

import msgspec
import pytest

from harness.cli.output_formats import TEXT_FORMATS, text_format
from harness.judge.conclude import Conclusion, conclude
from harness.record.record import Count
from harness.report.formats.tested_by import withheld
from tests.unit.builders import claims, record
from tests.unit.conclusions import memmaps
from tests.unit.reports import CONCLUSIONS, FORMS, PERSON, as_mail, made

replace = msgspec.structs.replace
UNDECIDED = [name for name, c in CONCLUSIONS.items() if c.record.evidence != "boot-kvm"]
#: A rule such as ratio<0.6 is given by the user, not measured.
OF_NUMBERS = re.compile(r"reduction|\bratio\b(?![<&])|rebind_mean|\bfirst\b|cost")


def test_all_formats_are_tested() -> None:
    assert {text_format(form) for form in TEXT_FORMATS} <= set(FORMS.values())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", UNDECIDED)
def test_evidence_that_cannot_decide_a_claim_reproduces_and_contradicts_nothing(
    name: str, form: str
) -> None:
    text = made(name, form)
    assert "reproduced" not in text
    assert "contradicted" not in text
    assert "Tested-by" not in text


@pytest.mark.parametrize("form", FORMS)
def test_an_emulated_run_says_that_nothing_is_concluded_about_speed(form: str) -> None:
    text = " ".join(made("tcg", form).split())
    if form != "github.txt":  # annotations are of what went wrong
        assert re.search(r"[Nn]othing is concluded about speed", text)
    assert "interval" not in text
    assert not re.search(r"\bratio", text)


@pytest.mark.parametrize("form", ["terminal.txt", "md"])
@pytest.mark.parametrize("name", CONCLUSIONS)
def test_headings_of_reductions_and_ratios_name_the_evidence(name: str, form: str) -> None:
    evidence = CONCLUSIONS[name].record.evidence
    lines = made(name, form).splitlines()
    for number, line in enumerate(lines):
        if re.search(r"reduction(?! of)|\bratio\b(?![<&])", line):
            assert f"({evidence})" in line + lines[number + 1], line


@pytest.mark.parametrize("name", CONCLUSIONS)
def test_every_number_for_programs_names_its_evidence(name: str) -> None:
    evidence = CONCLUSIONS[name].record.evidence
    for line in made(name, "ktap").splitlines():
        if OF_NUMBERS.search(line) and re.search(r": [0-9.]+( \w|$)", line):
            assert f"({evidence})" in line or "(claimed)" in line
    for one in ElementTree.fromstring(made(name, "xml")).iter("property"):
        if OF_NUMBERS.search(one.attrib["name"]):
            assert one.attrib["name"].startswith((f"{evidence}.", "claimed."))
    for test in json.loads(made(name, "kcidb.json"))["tests"]:
        assert test["path"].split(".")[1] == evidence
        assert ("number" in test) == (test["status"] == "DONE" and "number" in test)


@pytest.mark.parametrize("name", CONCLUSIONS)
def test_kcidb_numbers_are_done_and_verdicts_are_not(name: str) -> None:
    for test in json.loads(made(name, "kcidb.json"))["tests"]:
        if "number" in test:
            assert test["status"] == "DONE"
        if ".claim" in test["path"] and "number" not in test:
            assert test["status"] != "DONE"


def test_a_mail_marks_every_emulated_time() -> None:
    text = as_mail(CONCLUSIONS["tcg"]).decode()
    marked = [line for line in text.splitlines() if re.search(r"[0-9] ms", line)]
    assert len(marked) == 8
    assert all(line.endswith("ms (emulated)") for line in marked)


GOOD = CONCLUSIONS["reproduced"]


def test_tested_by_needs_the_posted_series_and_reproduced_claims() -> None:
    assert withheld(GOOD, PERSON) == ""
    text = as_mail(GOOD).decode()
    assert text.count("Tested-by:") == 1
    assert text.endswith(f"\n\nTested-by: {PERSON.name} <{PERSON.address}>\n")
    assert "Scope of the test: nd_pmem and dax_pmem" in text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("port", "port v7.2 is not the posted series"),
        ("contradicted", "is not the posted series"),
        ("tcg", "boot-tcg cannot decide a claim"),
        ("replay", "replay cannot decide a claim"),
        ("failed", "the guest panicked"),
        ("lost", "the run was interrupted"),
        ("memmaps-differ", "the run failed"),
        ("everything", "is not the posted series"),
    ],
)
def test_tested_by_is_withheld_with_a_reason(name: str, why: str) -> None:
    assert why in withheld(CONCLUSIONS[name], PERSON)
    assert "Tested-by" not in as_mail(CONCLUSIONS[name]).decode()


def test_each_single_condition_withholds_tested_by() -> None:
    everything = CONCLUSIONS["everything"]
    rec = GOOD.record
    tip = replace(rec.builds[1], prefix=1)
    unlike = replace(
        everything.identity[0], pins=(replace(everything.identity[0].pins[0], equal=False),)
    )
    differing = replace(GOOD.memmaps[-1], equal=0)
    for changed in (
        replace(GOOD, verdicts=()),
        replace(GOOD, verdicts=(GOOD.verdicts[0], replace(GOOD.verdicts[1], verdict="untested"))),
        replace(GOOD, memmaps=()),
        replace(GOOD, memmaps=(*GOOD.memmaps[:-1], differing)),
        replace(GOOD, rules=everything.rules),
        replace(GOOD, identity=(unlike,)),
        replace(GOOD, null=msgspec.structs.replace(everything.null, finds="nd_pmem differs")),  # type: ignore[type-var]
        replace(GOOD, record=replace(rec, builds=(rec.builds[0], tip))),
        replace(
            GOOD,
            record=replace(rec, subject=replace(rec.subject, source="port v7.2", message_id="")),
        ),
    ):
        assert withheld(changed, PERSON)
        assert "Tested-by" not in as_mail(changed).decode()


def test_a_mail_without_a_person_names_no_one() -> None:
    text = as_mail(GOOD, None).decode()
    assert "Tested-by" not in text
    assert not re.search(r"^(From|To|Cc):", text, re.MULTILINE)
    assert "user.name" in withheld(GOOD, None)


def test_a_prefix_is_not_called_the_series() -> None:
    rec = memmaps(record())
    tip = replace(rec.builds[1], prefix=1)
    partial = conclude(replace(rec, builds=(rec.builds[0], tip)), claims())
    for form in ("terminal.txt", "md", "eml", "ktap", "b4.json"):
        text = FORMS[form](partial)
        assert "patch 1" in text
        assert "With this series" not in text


def counted() -> Conclusion:
    rec = replace(CONCLUSIONS["replay"].record, passes=(), comparisons=())
    counts = tuple(
        Count(build.name, kind, "callgrind", 36.0 - build.prefix)
        for build in rec.builds
        for kind in ("order0", "order9")
    )
    return conclude(replace(rec, counts=counts), claims())


def null() -> Conclusion:
    rec = record("boot-tcg")
    base = rec.builds[0]
    boots = tuple(replace(b, build="again") if b.build == "tip" else b for b in rec.boots)
    return conclude(replace(rec, builds=(base, replace(base, name="again")), boots=boots), claims())


UNUSUAL = {
    "icount": conclude(memmaps(record("boot-icount")), claims()),
    "counted": counted(),
    "null": null(),
    "unclaimed": conclude(record(), ()),
    "empty": conclude(replace(record(), boots=()), ()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_runs_have_every_format_and_no_verdict(name: str, form: str) -> None:
    text = FORMS[form](UNUSUAL[name])
    assert "reproduced" not in text
    assert "contradicted" not in text
    assert "With this series" not in text or name not in ("null", "counted", "empty")
    assert "None" not in text
    assert "nan" not in text.replace("dominant", "")


def test_instructions_are_called_instructions() -> None:
    for form in ("terminal.txt", "md", "ktap", "xml", "kcidb.json"):
        text = FORMS[form](UNUSUAL["counted"])
        assert "instructions" in text, form
    for name in UNUSUAL:
        lines = FORMS["terminal.txt"](UNUSUAL[name]).splitlines()
        assert max(map(len, lines)) <= 80
        assert not any("…" in line for line in lines)
    assert "base against itself" in FORMS["eml"](UNUSUAL["null"])
