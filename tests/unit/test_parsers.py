# SPDX-License-Identifier: GPL-2.0-only
"""Every parser on arbitrary bytes: a value or a named error, in bounded time.

The targets are those of tests/fuzz; the inputs in tests/fuzz/corpus are tried again here.
"""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent.parent / "fuzz" / "corpus"
SEEDS = {name: sorted((CORPUS / name).iterdir()) for name in TARGETS}


@pytest.mark.parametrize(
    "seed", [s for found in SEEDS.values() for s in found], ids=lambda s: s.name
)
def test_the_corpus(seed: Path) -> None:
    TARGETS[seed.parent.name](seed.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_anything(name: str, data: st.DataObject) -> None:
    """Try noise, and seeds with noise in them."""
    seed = data.draw(st.sampled_from(SEEDS[name])).read_bytes()
    at = data.draw(st.integers(0, len(seed)))
    noise = data.draw(st.binary(max_size=64))
    cut = data.draw(st.integers(0, 64))
    TARGETS[name](seed[:at] + noise + seed[at + cut :])
    TARGETS[name](noise)


HOSTILE = {
    "mail": b"From a Thu Jan  1 00:00:00 2026\nSubject: [" + b"PATCH " * 100_000 + b"\n\nx\n",
    "diff": b"diff --git a/x b/x\n" + b"@@ -1 +1 @@\n-a\n+b\n" * 20_000,
    "console": b"memmap_init_zone_device" + b" " * 1_000_000 + b"\n" + b"\x1b[" * 500_000,
    "console_findings": b"rcu: INFO: " * 100_000 + b"\n" * 1_000_000 + b"BUG: \n" * 100_000,
    "agent_log": b'{"is":"log","text":' + b"[" * 1_000_000 + b"\n" + b"{}\n" * 50_000,
    "info_block": b"\xff" * 4096,
    "struct_pages": b"\xff\xff\xff\xff\xff\xff\xff\xfe" * 80_000,
    "kconfig": b"if A\n" * 100_000 + b"config NUMA\n" + b"\tdepends on " + b"A&&" * 100_000,
    "objdump": b"0000 <" + b"<" * 500_000 + b">:\n" + b"   0:\tcall 0 <f>\n" * 20_000,
    "release_of_tree": b"VERSION = " + b" " * 500_000 + b"7\n" + b"VERSION=" * 50_000,
    "cmd_file": b"cmd_mm/mm_init.o := '" + b"x" * 500_000,
    "make_output": b"make: *** [" + b"]" * 500_000 + b": not found",
    "warning_lines": b"  CC      x.o\n" * 20_000
    + b"a:" * 200_000
    + b" warning: "
    + b"+0x1" * 100_000,
    "range_diff": b"1:  0123456 = 1:  0123456 x\n" * 20_000 + b"1:" + b" " * 500_000,
    "conflict": b"".join(b"%d\n" % (n % 150) for n in range(20_000))
    + b"<<<<<<< a\n=======\n>>>>>>> b\n\0"
    + b"".join(b"%d\n" % (n * 7 % 150) for n in range(20_000)),
    "archive": b"\0" * 4_000_000,
    "attestation": b"  [PATCH 1/1" * 50_000 + b"\n  v [PATCH" + b" " * 500_000,
    "claims": b"From: a@b\nSubject: [PATCH 0/1] x\n\n" + b"59.4 % nd_pmem 273.52 ms -> " * 3_000,
    "rule_syntax": b"nd_pmem" * 50_000 + b" < " + b"9" * 500_000,
    "symbols": b"0000000000000000 0000000000000010 T f\n" * 20_000 + b"f" * 500_000,
    "apt_sources": b"Types: deb\nA:" + b"\n " * 200_000 + b"\ndeb [" * 20_000,
    "packages": b"ID=" + b"'" * 500_000,
    "units": b"1" * 500_000 + b"G",
    "struct_layout": b"\x7fELF\x02\x01\x01" + b"\xff" * 100_000,
    "record": b'{"schema":1,"boots":' + b"[" * 500_000,
    "yaml": b"a: " + b"[" * 100_000,
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_hostile_input_takes_no_time(name: str) -> None:
    began = time.process_time()
    TARGETS[name](HOSTILE[name])
    assert time.process_time() - began < 5


def test_aliases_do_not_blow_up() -> None:
    """The YAML of a billion laughs."""
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    began = time.process_time()
    TARGETS["yaml"](f"a0: &a0 [x]\n{levels}".encode())
    assert time.process_time() - began < 5
