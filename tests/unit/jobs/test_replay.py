# SPDX-License-Identifier: GPL-2.0-only
"""What a replay does while it waits for make."""

import subprocess
import sys


def test_scipy_is_imported_when_the_timing_starts() -> None:
    code = (
        "import sys; from harness.jobs import replay\n"
        "before = 'scipy.stats' in sys.modules\n"
        "with replay._scipy_imported(): pass\n"
        "print(before, 'scipy.stats' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
