# SPDX-License-Identifier: GPL-2.0-only
"""Fills write every line, and no line of zeros: some processors do not write those to memory."""

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.record.record import NON_TEMPORAL
from harness.replay.program.link import SHIM
from harness.replay.timing.rounds import ORDINARY
from harness.workloads.zone_device.replay import REPLAY

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

#: Fills zeroed memory; prints the number of lines that have a zero word.
PROGRAM = r"""
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "user.h"

void fail(const char *format, ...)
{
	exit(2);
}

int main(int argc, char **argv)
{
	size_t nr_bytes = 1 << 20, zeros = 0;
	unsigned char *at = aligned_alloc(4096, nr_bytes);

	__builtin_memset(at, 0, nr_bytes);
	if (!fill_supported(argv[1]))
		return 3;
	fill(argv[1], at, nr_bytes);
	for (size_t i = 0; i < nr_bytes / 8; i++)
		zeros += !((uint64_t *)at)[i];
	printf("%zu\n", zeros);
	return 0;
}
"""


@pytest.fixture(scope="module")
def filler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fill")
    (folder / "main.c").write_text(PROGRAM)
    folders = (f"-I{SHIM}", f"-I{REPLAY.shim}")
    files = (folder / "main.c", SHIM / "fill.c")
    argv = ["gcc", "-O2", *folders, "-o", folder / "filler", *files]
    subprocess.run(argv, check=True)
    return folder / "filler"


@pytest.mark.parametrize("how", [*NON_TEMPORAL, *ORDINARY])
def test_a_fill_leaves_no_zeros(filler: Path, how: str) -> None:
    done = subprocess.run([filler, how], check=False, capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip(f"this CPU has no {how}")
    assert (done.returncode, done.stdout) == (0, "0\n")
