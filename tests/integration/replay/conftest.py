# SPDX-License-Identifier: GPL-2.0-only
"""Links replay programs of a fake kernel, for all tests of the replay."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.host.processes.process import Deadline
from harness.host.processes.sandbox import NO_SANDBOX, Sandbox
from harness.kernel.binutils import Binutils
from harness.replay.program import link
from harness.replay.program.link import Program
from harness.replay.runner.runner import Runner
from harness.workloads.zone_device.replay import REPLAY

FAKES = Path(__file__).parents[2] / "fakes" / "replay"
#: As kbuild compiles for x86-64, as far as it matters here.
CFLAGS = (
    "-O2",
    "-g",
    "-mcmodel=kernel",
    "-mno-red-zone",
    "-mgeneral-regs-only",
    "-fno-pie",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-ffreestanding",
    "-fno-tree-loop-distribute-patterns",
    "-mpreferred-stack-boundary=3",
)

Maker = Callable[..., Program]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Link programs of the fake kernel and a source of the function; each is made once."""
    root = tmp_path_factory.mktemp("programs")
    log = root / "log"
    user = root / "user.o"
    link.user_build(user, log, REPLAY.shim)
    made: dict[tuple[str, ...], Program] = {}

    def program(*defines: str, source: str = "object.c") -> Program:
        key = (source, *defines)
        if key not in made:
            folder = root / "-".join(key)
            folder.mkdir()
            for file, target in ((source, "object.o"), ("kernel.c", "shim.o")):
                folders = (link.SHIM, REPLAY.shim, FAKES)
                options = [*(f"-I{f}" for f in folders), *(f"-D{d}" for d in defines)]
                argv = ["gcc", *CFLAGS, *options, "-c", "-o", folder / target, FAKES / file]
                subprocess.run(argv, check=True)
            binutils = Binutils(log, Deadline(60), Sandbox(NO_SANDBOX))
            traps = link.link(folder, user, REPLAY.function, binutils)
            made[key] = Program(str(folder), traps)
        return made[key]

    return program


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    log = tmp_path_factory.mktemp("logs") / "replay.log"
    return Runner(log, Deadline(300), Sandbox(NO_SANDBOX), REPLAY)
