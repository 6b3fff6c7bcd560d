# SPDX-License-Identifier: GPL-2.0-only
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.conclude import Conclusion, conclude
from harness.record.record import Lines, Log, RunRecord, Traffic
from harness.report.lines import verdicts
from harness.report.page.run_page import page
from harness.report.verdict_line import answer
from tests.unit import markup
from tests.unit.builders import claims, record
from tests.unit.conclusions import failed, lost, named, per_patch, per_patch_broken, replay

replace = msgspec.structs.replace
NAMED = named()


def nothing(_path: str) -> bool:
    return False


def rendered(conclusion: Conclusion, has: Callable[[str], bool] = nothing) -> markup.Page:
    """Return the page, with a blank before each cell of a table."""
    text = page(conclusion, has=has)
    markup.check(text)
    return markup.Page(text.replace("<t", " <t"))


@pytest.mark.parametrize("name", NAMED)
def test_every_kind_of_run_has_a_valid_page(name: str) -> None:
    found = rendered(NAMED[name])
    (h1,) = found.all("h1")
    assert h1.text.endswith("?")
    for verdict in NAMED[name].verdicts:
        assert verdict.reason in found.text
        assert verdict.verdict in found.text
    assert NAMED[name].record.run_id in found.text


@pytest.mark.parametrize("name", NAMED)
def test_the_same_record_gives_the_same_page(name: str) -> None:
    assert page(NAMED[name], has=nothing) == page(NAMED[name], has=nothing)


@pytest.mark.parametrize("name", NAMED)
def test_the_answer_comes_before_the_figures(name: str) -> None:
    found = rendered(NAMED[name])
    h2 = [e.text for e in found.all("h2")]
    assert h2[0] == answer(NAMED[name]).word
    assert h2[1] in ("Patch by patch", "Samples")
    assert "Evidence:" in found.text.split(h2[1])[0]


def test_each_claim_has_one_row_with_both_kinds_of_evidence() -> None:
    after = replace(claims()[0], after_patch=1, reduction_percent=20.0)
    found = rendered(conclude(record(), (*claims(), after), replay=replay()))
    box = found.text.split("Each claim, with")[0]
    assert "Claim Verdict Claimed boot-kvm replay" in box
    assert "nd_pmem reproduced (boot-kvm) 59.4 % 59.6 % 59.3 to 59.8 55.0 % 55.0 to 55.0" in box
    assert "nd_pmem after patch 1 doubted (replay) 20.0 % - 10.0 % 10.0 to 10.0" in box
    assert "nd_pmem, boots and replay: boots show a reduction of" in box


def test_base_against_itself_has_no_verdicts() -> None:
    text = rendered(null_of((271, 270, 273, 272))).text
    assert "Driver boot-kvm nd_pmem" in text
    assert "untested" not in text
    assert "Each claim, with" not in text


def test_what_the_verdicts_say_is_not_repeated() -> None:
    found = rendered(conclude(record(), claims(), replay=replay()))
    names = [e.text for e in found.all("figcaption") if "percent of base" in e.text]
    assert names == [f"order{n}: time, percent of base's" for n in (0, 9)]
    assert "driver binding base (ms) series (ms) nd_pmem" in found.text
    order = [e.text for e in found.all("h2")]
    assert order[1:] == [
        *("Patch by patch", "Samples", "What was measured", "Struct pages", "Noise"),
        *("Do the builds differ only in the series?", "Environment", "Boots and logs"),
    ]


def test_a_rule_that_fails_is_named_once() -> None:
    box = rendered(NAMED["everything"]).text.split("Each claim, with")[0]
    assert box.count("dax_pmem.rebind.ratio<0.3 fails: 0.404 is not") == 1
    assert "nd_pmem.rebind.ratio<0.6 holds: 0.404 is below 0.6" in box


def test_emulated_time_has_no_ratio() -> None:
    found = rendered(conclude(record("boot-tcg"), claims(), replay=replay()))
    assert "nd_pmem supported (replay) 59.4 % 55.0 %" in found.text
    assert "nd_pmem: time, percent" not in found.text
    ratios = found.text.split("All ratios, with method and samples")[1].split("Struct pages")[0]
    assert "order0 1" in ratios
    assert "nd_pmem" not in ratios


def test_memory_traffic_is_shown_with_what_it_explains() -> None:
    counted = replay()
    lines = {"base": Lines(0, 0, 1, 0, 0), "2": Lines(1, 0, 0, 0, 0)}
    traffic = tuple(Traffic(build, "order0", one) for build, one in lines.items())
    found = rendered(
        conclude(record("boot-tcg"), claims(), replay=replace(counted, traffic=traffic))
    )
    assert "transfers (traffic) base order0" in found.text
    assert "Traffic, order0: memory transfers at least 1.00 cache lines" in found.text


def test_digests_of_both_runs_are_folded() -> None:
    made = replay()
    made = replace(made, setup=replace(made.setup, schedule_sha256="5" * 64))
    found = rendered(conclude(record(), claims(), replay=made))
    (folded,) = [e.text for e in found.all("details") if "Commits, patch-ids" in e.text]
    assert f"Schedule: {'5' * 64}." in folded
    for digest in ("5" * 64, record().setup.plan_sha256, record().setup.guest_sha256):
        assert digest in folded
        assert digest not in found.text.split("Environment")[1].split("Commits, patch-ids")[0]


def test_the_replay_beside_boots_is_linked() -> None:
    made = NAMED["reproduced"]
    assert "./replay.json" in links(rendered(made, lambda _: True))
    assert "./replay.json" not in links(rendered(made, lambda path: path == "record.json"))


@pytest.mark.parametrize(
    ("name", "word", "tone"),
    [
        ("reproduced", "Reproduced", "good"),
        ("contradicted", "Contradicted", "bad"),
        ("inconclusive", "Inconclusive", "doubt"),
        ("tcg", "Untested", "open"),
        ("failed", "Run panicked", "doubt"),
        ("lost", "Run interrupted", "doubt"),
        ("memmaps-differ", "Struct pages differ", "bad"),
        ("replay-differs", "Struct pages differ", "bad"),
        ("everything", "Rule failed", "bad"),
        ("prefixes", "Reproduced", "good"),
        ("prefixes-broken", "Patch 1 does not build", "bad"),
    ],
)
def test_the_answer_is_never_better_than_the_worst_part(name: str, word: str, tone: str) -> None:
    found = answer(NAMED[name])
    assert (found.word, found.tone) == (word, tone)


def test_a_per_patch_run_has_a_table_of_patches() -> None:
    found = rendered(NAMED["prefixes"])
    assert "Patch by patch" in [e.text for e in found.all("h2")]
    assert "Patch 1: mm: a first step" in found.text
    assert "bisectable" in found.text.lower()
    # The table of bindings has only base and tip.
    assert "68.00" in found.text.split("What was measured")[-1].split("Struct pages")[0]
    broken = rendered(NAMED["prefixes-broken"]).text
    assert "Compiler output of patch 1" in broken
    assert "mm/mm_init.c:7:1: error: no" in broken
    assert "not a measure of speed" in broken.split("Patch by patch")[1]
    assert "Patch by patch" not in rendered(NAMED["reproduced"]).text


def test_verdicts_that_differ_are_counted() -> None:
    made = NAMED["reproduced"]
    first, second = made.verdicts
    mixed = replace(made, verdicts=(first, replace(second, verdict="inconclusive")))
    assert answer(mixed).word == "1 reproduced, 1 inconclusive"
    assert answer(mixed).tone == "doubt"
    assert answer(replace(made, verdicts=())).word == "No claim"


def test_a_claim_is_shown_as_it_was_stated() -> None:
    made = NAMED["reproduced"]
    quotes = ("Base:", "Average of rebinds: 250.50 <ms>")
    stated = tuple(
        replace(v, claim=v.claim and replace(v.claim, quotes=quotes)) for v in made.verdicts
    )
    text = "Base: / Average of rebinds: 250.50 <ms>"
    assert f"as stated: {text}" in rendered(replace(made, verdicts=stated)).text
    assert "as stated" not in rendered(made).text
    shown = [line.text for line in verdicts(replace(made, verdicts=stated))]
    assert shown.count(text) == len(stated)


# --- text of others ---

HOSTILE = "</style></title></svg><script>alert(1)</script><img src=x onerror=y>\"'&{{7*7}}\x1b[2J\0"


def poisoned(value: Any, unchanged: set[str]) -> Any:
    """Append hostile text to every string that the model does not restrict."""
    if isinstance(value, str):
        return value if value in unchanged else value + HOSTILE
    if isinstance(value, dict):
        return {
            k if k in ("nd_pmem", "dax_pmem") or k in FIELDS else k + HOSTILE: poisoned(
                v, unchanged
            )
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [poisoned(v, unchanged) for v in value]
    return value


FIELDS = {"run"} | {
    f.encode_name
    for kind in vars(__import__("harness.record.record", fromlist=["x"])).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    for f in msgspec.structs.fields(kind)
}
#: Fields with a fixed set of values, fields that must be equal for a comparison, and times.
UNCHANGED = {
    *("lost", "complete", "timed_out", "panicked", "failed", "boot-kvm", "boot-tcg", "replay"),
    *("first", "rebind", "kvm", "tcg", "native", "nd_pmem", "dax_pmem", "base", "tip", "limit"),
    *("boot", "order0", "order9", "movnti", "memset", "1", "2", ""),
}


@pytest.mark.parametrize(
    "made",
    [record(), failed(), lost(), replay(), replay(differ=True), per_patch(), per_patch_broken()],
)
def test_hostile_text_is_escaped(made: RunRecord) -> None:
    data = poisoned(msgspec.to_builtins(made), UNCHANGED)
    bad = msgspec.convert(data, RunRecord)
    text = page(conclude(bad, claims()), has=lambda _: True)
    found = markup.check(text)
    assert "&lt;script&gt;" in text
    assert "49" not in found.all("h1")[0].text
    assert "\x1b" not in text
    assert "\0" not in text
    assert "\\x1b[2J" in found.text


@given(st.text())
@settings(max_examples=settings().max_examples // 3)
def test_no_text_breaks_a_page(text: str) -> None:
    made = record(base_ms=(270,), tip_ms=(110,), rebinds=1)
    made = replace(made, reason=text, outcome="failed")
    found = rendered(conclude(made, claims()))
    assert len(found.all("script")) == 0


# --- links to logs ---


def logged(path: str) -> Conclusion:
    made = record()
    first, *rest = made.boots
    boots = (replace(first, logs=(Log(path, "a" * 64),)), *rest)
    return conclude(replace(made, boots=boots), claims())


def links(found: markup.Page) -> list[str]:
    return [e.attributes["href"] for e in found.all("a") if "href" in e.attributes]


def test_logs_are_linked() -> None:
    made = logged("logs/base-0.console.log")
    assert "./logs/base-0.console.log" in links(rendered(made, lambda _: True))
    text = page(made, has=lambda _: True, home="../runs/x/")
    assert "../runs/x/logs/base-0.console.log" in links(markup.check(text))


def test_a_missing_log_is_named() -> None:
    found = rendered(logged("logs/base-0.console.log"), lambda path: path == "record.json")
    assert "logs/base-0.console.log (missing)" in found.text
    assert links(found) == ["#main", "./record.json"]


@pytest.mark.parametrize(
    "path",
    [
        "../../../etc/passwd",
        "logs/../../x",
        "..",
        "javascript:alert(1)",
        "https://example.org/x",
        "//example.org/x",
        "/etc/passwd",
        'x" onclick="y',
        "a b#c?d",
    ],
)
def test_no_link_leaves_the_folder_of_the_run(path: str) -> None:
    for link in links(rendered(logged(path), lambda _: True)):
        assert link == "#main" or link.startswith("./")
        assert ".." not in link


def test_only_a_site_links_to_all_runs() -> None:
    made = NAMED["reproduced"]
    assert "All runs" not in page(made, has=nothing)
    assert "../../index.html" in links(
        markup.check(page(made, has=nothing, index="../../index.html"))
    )


# --- required statements ---


def test_emulated_time_is_never_shown_as_speed() -> None:
    found = rendered(NAMED["tcg"])
    assert "not a measure of speed" in found.text
    assert "not a measure of speed" not in rendered(NAMED["reproduced"]).text


def test_what_was_not_checked_is_not_called_good() -> None:
    bare = Conclusion(record())
    found = rendered(bare)
    assert "Not compared in this run" in found.text
    assert "Not known for this run" in found.text
    assert "There is no comparable run of base against base" in found.text


def test_a_boot_that_does_not_count_says_why() -> None:
    found = rendered(NAMED["failed"])
    assert "tip 2 does not count" in found.text
    assert "mm/mm_init.c:1080" in found.text


def test_all_samples_are_on_the_page() -> None:
    made = NAMED["reproduced"]
    found = rendered(made)
    drawn = [e.text for e in found.all("desc")]
    assert sum("90 samples" in text for text in drawn) == 2
    assert "272, 272, 272" in found.text


def test_a_replay_shows_every_prefix_and_its_gain() -> None:
    found = rendered(NAMED["replay"])
    assert "patch 1: -10.0 points, to 90.0 %" in found.text
    assert "Struct pages: identical to base in all" in found.text


def null_of(tip_ms: tuple[int, ...]) -> Conclusion:
    made = record(base_ms=(270, 271, 272, 273), tip_ms=tip_ms)
    base = made.builds[0]
    return conclude(replace(made, builds=(base, replace(base, name="tip"))), claims())


@pytest.mark.parametrize(
    ("tip_ms", "word", "tone"),
    [
        ((271, 270, 273, 272), "No difference", "good"),
        ((290, 291, 292, 293), "Base differs from itself", "doubt"),
    ],
)
def test_a_null_run_asks_another_question(tip_ms: tuple[int, ...], word: str, tone: str) -> None:
    made = null_of(tip_ms)
    assert (answer(made).word, answer(made).tone) == (word, tone)
    found = rendered(made)
    assert found.all("h1")[0].text.startswith("Does base differ from itself")
    assert "There is no comparable run of base against base" not in found.text


def test_a_null_run_of_one_boot_has_too_few_samples() -> None:
    made = record(base_ms=(270,), tip_ms=(270,))
    base = made.builds[0]
    short = conclude(replace(made, builds=(base, replace(base, name="tip"))), claims())
    assert answer(short).word == "Too few samples"


def test_a_prefix_is_not_asked_for_the_claims_of_the_series() -> None:
    made = record()
    base, tip = made.builds
    part = conclude(replace(made, builds=(base, replace(tip, prefix=1))), claims())
    assert (
        rendered(part).all("h1")[0].text.startswith("What does patch 1 of memcpy-streaming v2 do")
    )


def test_patches_are_named_next_to_their_costs() -> None:
    made = replay()
    subject = replace(made.subject, patch_subjects=("mm: one <b>", "mm: two"))
    found = rendered(conclude(replace(made, subject=subject), claims()))
    assert "mm: one <b>" in found.text
    assert "mm: two" in found.text
