# SPDX-License-Identifier: GPL-2.0-only
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.parse.kconfig import dropped, needs, parse_config, parse_fragment

NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,12}", fullmatch=True)
VALUES = st.sampled_from(["y", "n", "1000", '"text"', "0x200000"])


def as_line(name: str, value: str) -> str:
    return f"# CONFIG_{name} is not set" if value == "n" else f"CONFIG_{name}={value}"


@given(st.dictionaries(NAMES, VALUES))
def test_a_fragment_that_kconfig_keeps_drops_nothing(options: dict[str, str]) -> None:
    text = "\n".join(["# a reason", *(as_line(n, v) for n, v in options.items()), ""])
    wanted = parse_fragment(text)
    assert {o.name: o.value for o in wanted} == options
    assert dropped(wanted, parse_config(text)) == ()


@given(st.dictionaries(NAMES, st.sampled_from(["y", "1000"]), min_size=1), st.data())
def test_every_option_that_is_lost_is_named(options: dict[str, str], data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(sorted(options)))
    wanted = parse_fragment("\n".join(as_line(n, v) for n, v in options.items()))
    config = {n: v for n, v in options.items() if n != lost}
    assert [o.name for o in dropped(wanted, config)] == [lost]


def test_an_option_that_must_be_off_and_is_on_is_dropped() -> None:
    wanted = parse_fragment("# CONFIG_KASAN is not set\n")
    assert [o.name for o in dropped(wanted, {"KASAN": "y"})] == ["KASAN"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("CONFIG_A=y\nNVDIMM=y\n", 2),
        ("CONFIG_A = y\n", 1),
        ("CONFIG_A=\n", 1),
        ("CONFIG_A=y\n\nCONFIG_A=n\n", 3),
        ("CONFIG-A=y", 1),
        ("export FOO", 1),
    ],
)
def test_a_line_that_is_no_option_is_named(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"line {line}:"):
        parse_fragment(text)


KCONFIG = """\
menuconfig DAX
	tristate "DAX"
	help
	  config DEV_DAX in a help text is no entry.

	  depends on nothing

if DAX

config DEV_DAX
	tristate "Device DAX"
	depends on TRANSPARENT_HUGEPAGE
	depends on A || \\
		B
	help
	  More text.

config OTHER
	bool

endif

menu "inner"
	depends on NET

config DEV_DAX
	bool

endmenu
config LAST
	bool
"""


def test_an_option_needs_what_it_and_the_blocks_around_it_depend_on() -> None:
    first, second = needs(KCONFIG, "DEV_DAX")
    assert first.expressions == ("DAX", "TRANSPARENT_HUGEPAGE", "A || B")
    assert second.expressions == ("NET",)
    assert needs(KCONFIG, "LAST")[0].expressions == ()
    assert needs(KCONFIG, "NOT_THERE") == ()


def test_what_is_unmet_is_what_the_config_lacks() -> None:
    first = needs(KCONFIG, "DEV_DAX")[0]
    assert first.unmet({"DAX": "y", "A": "m"}) == ("TRANSPARENT_HUGEPAGE", "B")


@given(st.text(alphabet='configenduf \n\tAB\\"', max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    needs(text, "A")
    parse_config(text)
