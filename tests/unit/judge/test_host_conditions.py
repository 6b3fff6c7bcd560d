# SPDX-License-Identifier: GPL-2.0-only
"""What the host was like, and what that does to verdicts."""

import msgspec
import pytest

from harness.judge.conclude import conclude
from harness.judge.conditions.host_conditions import REMEDY
from harness.judge.conditions.validity import gather
from harness.judge.verdict import Verdict
from harness.record.record import Backing, Boot, BootRun, HostSettings, Machine, Placement
from tests.unit import replays
from tests.unit.builders import claims, record
from tests.unit.reports import FORMS, as_terminal

replace = msgspec.structs.replace
ICE_LAKE = "GenuineIntel 6 106"
MIB = 1 << 20
HUGE = Backing(small_bytes=0, huge_bytes=100 * MIB)
QUIET = HostSettings(
    ("performance",), turbo=False, idle_us=2, smt=False, swap_bytes=0, other_guests=0
)


def run(
    tip_ms: int = 110, *, settings: HostSettings = QUIET, placement: Placement | None = None
) -> BootRun:
    rec = on(record(base_ms=[270] * 5, tip_ms=[tip_ms] * 5), hypervisor="none", cpu_id=ICE_LAKE)
    return changed(rec, settings=settings, placement=placement)


def on(rec: BootRun, **machine: object) -> BootRun:
    return replace(rec, machine=replace(rec.machine, **machine))


def changed(rec: BootRun, build: str = "", **boot: object) -> BootRun:
    def one(b: Boot) -> Boot:
        return replace(b, **boot) if build in ("", b.build) else b

    return replace(rec, boots=tuple(map(one, rec.boots)))


def verdict(rec: BootRun, cpu: str = ICE_LAKE) -> Verdict:
    found = conclude(rec, [replace(claim, cpu=cpu) for claim in claims()])
    return found.verdicts[0]


def kinds(rec: BootRun) -> list[tuple[str, bool]]:
    return [(finding.kind, finding.spoils) for finding in gather(rec).noise]


def test_a_fit_host_decides() -> None:
    assert kinds(run()) == []
    assert verdict(run()).verdict == "reproduced"
    assert verdict(run(200)).verdict == "contradicted"


@pytest.mark.parametrize("tip_ms", [110, 200])
def test_an_emulated_cpu_decides_nothing(tip_ms: int) -> None:
    found = verdict(on(run(tip_ms), hypervisor="tcg"))
    assert found.verdict == "untested"
    assert "the host's CPU is itself emulated (TCG)" in found.reason


@pytest.mark.parametrize("name", FORMS)
def test_every_report_says_so_in_its_first_lines(name: str) -> None:
    text = FORMS[name](conclude(on(run(), hypervisor="tcg"), claims()))
    first = text.partition("\n\n")[2] if name == "eml" else text
    words = " ".join(first.split())
    # The documents of kcidb begin with the checkout.
    assert "emulated (TCG)" in (words if name == "kcidb.json" else words[:1200])


def test_a_verdict_under_nested_kvm_says_so() -> None:
    rec = on(run(), hypervisor="kvm")
    assert kinds(rec) == [("nested", False)]
    found = verdict(rec)
    assert found.verdict == "reproduced"
    assert found.reason.endswith("nested KVM: the host is a virtual machine (kvm)")


@pytest.mark.parametrize("cpu_id", ["GenuineIntel 6 143", "AuthenticAMD 25 17", ""])
def test_another_cpu_reproduces_but_does_not_contradict(cpu_id: str) -> None:
    same = verdict(on(run(), cpu_id=cpu_id))
    assert same.verdict == "reproduced"
    other = verdict(on(run(200), cpu_id=cpu_id))
    assert other.verdict == "untested"
    for found in (same, other):
        assert "claimed 59.4 %; on another CPU than claimed (Some Xeon, " in found.reason
        assert (cpu_id or "unknown") in found.reason
    assert verdict(on(run(200), cpu_id=cpu_id), cpu="").verdict == "contradicted"


@pytest.mark.parametrize(("percent", "is_said"), [(59.4, False), (90.0, True)])
def test_a_replay_on_another_cpu_says_so_where_it_doubts(percent: float, *, is_said: bool) -> None:
    pages = 1 << 20
    costs = {"base": [4.0 * pages] * 5, "1": [3.6 * pages] * 5, "2": [1.6 * pages] * 5}
    rec = replays.replay(costs, pages=pages)
    machine = msgspec.structs.replace(rec.machine, cpu_id="AuthenticAMD 25 17")
    stated = [msgspec.structs.replace(claim, cpu="GenuineIntel 6 106") for claim in claims(percent)]
    found = conclude(msgspec.structs.replace(rec, machine=machine), stated)
    assert {v.verdict for v in found.verdicts} == {"doubted" if is_said else "supported"}
    for verdict in found.verdicts:
        assert ("on another CPU than claimed" in verdict.reason) == is_said
    shown = " ".join(as_terminal(found).split())
    assert ("AuthenticAMD 25 17; the claim's: GenuineIntel 6 106" in shown) == is_said


SLOW_RAM = Backing(small_bytes=90 * MIB, huge_bytes=10 * MIB)
REMOTE = Backing(0, 100 * MIB, nodes={"0": 60 * MIB, "1": 40 * MIB})


@pytest.mark.parametrize(
    ("settings", "placement", "kind", "text"),
    [
        (
            {"governors": ("performance", "powersave")},
            None,
            "frequency",
            "governor performance, po",
        ),
        ({"turbo": True}, None, "frequency", "turbo on: the frequency may change"),
        ({"idle_us": 133}, None, "idle", "takes 133 µs to leave"),
        ({"swap_bytes": 5 * MIB}, None, "swap", "5.0 MiB were swapped out"),
        ({"other_guests": 2}, None, "other-guests", "2 other virtual machine(s) ran"),
        ({}, Placement(pinned=(3,), sibling_share=0.4), "sibling", "busy for 40%"),
        ({}, Placement(ram=SLOW_RAM), "small-pages", "10% of it on huge pages"),
        ({}, Placement(namespaces=replace(HUGE, swap_bytes=1)), "swap", "swapped out during"),
        ({}, Placement(node=0, ram=REMOTE), "numa", "40% of it on another NUMA node"),
    ],
)
def test_a_condition_is_named_and_the_verdict_stands(
    settings: dict[str, object], placement: Placement | None, kind: str, text: str
) -> None:
    rec = run(settings=replace(QUIET, **settings), placement=placement)
    (finding,) = gather(rec).noise
    assert (finding.kind, finding.spoils) == (kind, False)
    assert text in finding.text
    assert finding.remedy == REMEDY[kind]
    assert verdict(rec).verdict == "reproduced"
    assert kinds(on(rec, accelerator="tcg")) == [], "emulated times mean nothing"


@pytest.mark.parametrize(
    "boot",
    [
        {"settings": replace(QUIET, mitigations=("meltdown: Mitigation: PTI",))},
        {"settings": replace(QUIET, microcode="0x2")},
        {"settings": replace(QUIET, smt=True)},
        {"placement": Placement(pinned=(1,))},
        {"placement": Placement(pinned=(0,), ram=SLOW_RAM)},
        {"placement": Placement(pinned=(0,), namespaces=SLOW_RAM)},
    ],
)
def test_a_condition_that_differs_between_builds_spoils_the_run(boot: dict[str, object]) -> None:
    usual = Placement(pinned=(0,), ram=HUGE, namespaces=HUGE)
    rec = changed(run(placement=usual), "tip", **boot)
    assert ("unequal-host", True) in kinds(rec)
    found = verdict(rec)
    assert found.verdict == "inconclusive"
    assert "changed between boots" in found.reason


def test_records_from_before_these_fields_have_no_findings() -> None:
    old = record(base_ms=[270] * 5, tip_ms=[110] * 5)
    assert old.machine == Machine(
        "Some Xeon", 2, 1 << 34, "6.1.0", "kvm", "booted", {"qemu": "7.2"}
    )
    assert kinds(old) == []
    assert verdict(old, cpu="").verdict == "reproduced"
