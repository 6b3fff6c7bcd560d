# SPDX-License-Identifier: GPL-2.0-only
import pytest
from msgspec.structs import replace

from harness.doctor.diagnosis import Diagnosis, decision, missing, summary
from tests.unit.builders import claims, record

OK = Diagnosis("git", "ok", "2.47")
LOAD = Diagnosis("load", "warning", "2.00 on 2 CPUs", "stop other programs")
TCG = Diagnosis("accelerator", "warning", "TCG; KVM is unusable", "use a machine with KVM")
LACKING = Diagnosis("gcc", "missing", "builds the kernel", "apt-get install gcc")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((OK,), "plan quick can run here"),
        ((OK, LOAD), "plan quick can run here; warnings: load"),
        ((OK, LOAD, TCG), "plan quick can run here, but KVM is not known to work: see accelerator"),
        ((OK, LACKING, TCG), "plan quick cannot run here: gcc missing"),
        (
            (LACKING, Diagnosis("disk", "missing", "")),
            "plan quick cannot run here: gcc, disk missing",
        ),
    ],
)
def test_the_summary_says_whether_the_plan_can_run(found: tuple[Diagnosis, ...], said: str) -> None:
    assert summary("quick", found) == said
    assert bool(missing(found)) == ("cannot" in said)


KVM = Diagnosis("accelerator", "ok", "KVM; a kernel boots under it")
CLAIMS = [replace(claim, cpu="GenuineIntel 6 106") for claim in claims()]
HOST = replace(record().machine, accelerator="kvm", hypervisor="none", cpu_id="GenuineIntel 6 106")


@pytest.mark.parametrize(
    ("found", "machine", "guest", "decides", "because"),
    [
        ((OK, KVM), {}, "pmem-100g", True, "KVM works"),
        ((OK, KVM, LOAD), {"hypervisor": "kvm"}, "pmem-100g", True, "KVM works; nested KVM: "),
        (
            (KVM,),
            {"cpu_id": "A 6 1"},
            "pmem-100g",
            True,
            "can only reproduce it, not contra",
        ),
        ((KVM,), {"hypervisor": "tcg"}, "pmem-100g", False, "is itself emulated (TCG)"),
        ((KVM,), {}, "pmem-4g", False, "guest is pmem-4g; the claims are about pmem-100g"),
        ((OK, TCG), {"accelerator": "tcg"}, "pmem-100g", False, "KVM is unusable"),
        ((OK,), {"accelerator": "tcg"}, "pmem-100g", False, "KVM is not known to work"),
        ((LACKING, KVM), {}, "pmem-100g", False, "the plan cannot run: gcc missing"),
    ],
)
def test_whether_the_machine_can_decide(
    found: tuple[Diagnosis, ...],
    machine: dict[str, str],
    guest: str,
    decides: bool,
    because: str,
) -> None:
    made = decision(found, replace(HOST, **machine), guest, CLAIMS)
    assert made.decides is decides
    assert because in made.because
    word = "yes" if decides else "no"
    assert str(made).startswith(f"this machine can decide the claim: {word}, because ")


def test_no_claim_can_be_decided_where_there_is_none() -> None:
    made = decision((OK, KVM), HOST, "pmem-100g", [])
    assert made.because == "the plan's guest is pmem-100g; the claims are about no guest"
