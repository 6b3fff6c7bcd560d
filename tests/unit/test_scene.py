# SPDX-License-Identifier: GPL-2.0-only
"""What the faults count as left behind."""

import subprocess

from tests.faults.scene import adopting, strays

SLEEP = ("sleep", "60")


def test_whom_others_started_is_no_stray() -> None:
    with subprocess.Popen(SLEEP) as theirs:
        with adopting():
            assert strays(0) == []
            subprocess.run(["sh", "-c", "sleep 61 &"], check=True)
            assert strays(0.1) == ["sleep 61 "]
            assert strays(1) == []
        assert theirs.poll() is None
        theirs.kill()
