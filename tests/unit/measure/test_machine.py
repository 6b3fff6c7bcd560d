# SPDX-License-Identifier: GPL-2.0-only
import pytest

from harness.measure.machine import ICE_LAKE_FLAGS, cpu


def cpuinfo(vendor: str, family: int, model: int, flags: str) -> str:
    one = (
        f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\n"
        f"model name\t: Some CPU: @ 2.00GHz\nflags\t\t: fpu {flags}\nbugs\t\t:\n"
    )
    return f"{one}\n{one.replace('Some', 'Another')}"


ALL = " ".join(sorted(ICE_LAKE_FLAGS))


@pytest.mark.parametrize(
    ("text", "ice_lake", "of_its_class"),
    [
        (cpuinfo("GenuineIntel", 6, 0x6A, ALL), True, True),
        (cpuinfo("GenuineIntel", 6, 0x6C, ALL), True, True),
        (cpuinfo("GenuineIntel", 6, 0x8F, ALL), False, True),  # Sapphire Rapids
        (cpuinfo("GenuineIntel", 6, 0x55, "avx512f"), False, False),  # Cascade Lake
        (cpuinfo("AuthenticAMD", 25, 0x11, ALL), False, True),  # Zen 4
        (cpuinfo("AuthenticAMD", 6, 0x6A, ""), False, False),
        ("processor\t: 0\nBogoMIPS\t: 50.00\n", False, False),
        ("", False, False),
    ],
)
def test_processors(text: str, ice_lake: bool, of_its_class: bool) -> None:
    found = cpu(text)
    assert (found.is_ice_lake, found.is_ice_lake_class) == (ice_lake, of_its_class)


def test_the_name_is_that_of_the_first_processor() -> None:
    assert cpu(cpuinfo("GenuineIntel", 6, 0x6A, "")).name == "Some CPU: @ 2.00GHz"
