# SPDX-License-Identifier: GPL-2.0-only
import pytest

from harness.doctor.diagnosis import Diagnosis, missing, summary

OK = Diagnosis("git", "ok", "2.47")
LOAD = Diagnosis("load", "warning", "2.00 on 2 CPUs", "stop other programs")
TCG = Diagnosis("accelerator", "warning", "TCG", "use a machine with KVM")
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
