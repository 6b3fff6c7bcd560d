# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.kconfig import dropped, needs, parse_config, parse_fragment

DATA = Path(__file__).parents[2] / "data" / "kconfig"
NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,12}", fullmatch=True)
VALUES = st.sampled_from(["y", "n", "1000", '"text"', "0x200000"])


def as_line(name: str, value: str) -> str:
    return f"# CONFIG_{name} is not set" if value == "n" else f"CONFIG_{name}={value}"


@given(st.dictionaries(NAMES, VALUES))
def test_nothing_is_dropped_from_a_fragment_that_sticks(options: dict[str, str]) -> None:
    text = "\n".join(["# a reason", *(as_line(n, v) for n, v in options.items()), ""])
    wanted = parse_fragment(text)
    assert {o.name: o.value for o in wanted} == options
    assert dropped(wanted, parse_config(text)) == ()


@given(st.dictionaries(NAMES, st.sampled_from(["y", "1000"]), min_size=1), st.data())
def test_every_dropped_option_is_returned(options: dict[str, str], data: st.DataObject) -> None:
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
def test_a_line_that_is_not_an_option_is_an_error(text: str, line: int) -> None:
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
    assert first.unmet({"DAX": "y"}) == ("TRANSPARENT_HUGEPAGE", "A", "B")
    assert first.unmet({"DAX": "y", "A": "m"}) == ("TRANSPARENT_HUGEPAGE",)


@pytest.mark.parametrize(
    ("expression", "unmet"),
    [
        ("ON", ()),
        ("OFF", ("OFF",)),
        ("!OFF", ()),
        ("!ON", ("ON",)),
        ("!!OFF", ("OFF",)),
        ("! ( ON && OFF )", ()),
        ("!(ON && MODULE)", ("ON", "MODULE")),
        ("!(ON || OFF)", ("ON",)),
        ("OFF || ON", ()),
        ("OFF && ON || !MODULE", ("OFF", "MODULE")),
        ("OFF || !ON && OFF", ("OFF", "ON")),
        ("ON=y && MODULE=m", ()),
        ("MODULE = y", ("MODULE",)),
        ("MODULE != m", ("MODULE",)),
        ("ON = MODULE", ("ON", "MODULE")),
        ("HZ = 1000", ()),
        ("HZ = 250", ("HZ",)),
        ('NAME = "a b"', ()),
        ("OFF = n", ()),
        ("m", ()),
        ("n", ()),
        ("OFF if ON", ("ON", "OFF")),
        ("OFF if OFF", ()),
        ("(ON && OFF) if (MODULE || OFF)", ("MODULE", "OFF")),
        ("OFF # by firmware", ("OFF",)),
        # A macro's value is not known: neither way is anything blamed on it.
        ("$(cc-option,-mfoo)", ()),
        ("!$(success,test -e (x))", ()),
        ("$(shell,x) && OFF", ()),
        # No expressions.
        ("", ()),
        ("ON &&", ()),
        ("&& OFF", ()),
        ("OFF OFF", ()),
        ("(OFF", ()),
        ("OFF)", ()),
        ("if", ()),
        ("= y", ()),
        ("OFF == y", ()),
        ("(" * 100_000 + "OFF" + ")" * 100_000, ()),
        ("!" * 100_001 + "ON", ("ON",)),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_the_symbols_that_make_an_expression_false_are_named(
    expression: str, unmet: tuple[str, ...]
) -> None:
    config = {"ON": "y", "MODULE": "m", "HZ": "1000", "NAME": '"a b"'}
    (need,) = needs(f"config A\n\tbool 'a'\n\tdepends on {expression}\n", "A")
    assert need.unmet(config) == unmet


def test_a_symbol_that_must_not_be_set_is_named() -> None:
    (need,) = needs((DATA / "negation").read_text(), "SLOW_INIT")
    assert need.unmet({"SPARSEMEM": "y", "64BIT": "y", "KMSAN": "y"}) == ("KMSAN",)


FILES = {
    "Kconfig": 'source "block/Kconfig"\nsource "net/Kconfig" # last\nsource "none"\n',
    "block/Kconfig": "menuconfig BLOCK\n\tbool 'b' if EXPERT\nif BLOCK\n"
    'source "block/partitions/Kconfig"\nendif\nconfig AFTER\n\tbool "a"\n',
    "block/partitions/Kconfig": "menu 'Types'\n\tdepends on A || B\n\tvisible if C\n"
    "config PARTITION\n\tbool 'p'\nendmenu\n",
    # Files that include each other, which Kconfig refuses.
    "net/Kconfig": "source 'Kconfig'\nsource net/Kconfig\nconfig NET\n\tdef_bool y\n",
}


@pytest.mark.parametrize(
    ("name", "expressions", "has_prompt"),
    [
        ("PARTITION", ("BLOCK", "A || B", "C"), True),
        ("BLOCK", ("EXPERT",), True),
        ("AFTER", (), True),
        ("NET", (), False),
    ],
)
def test_a_file_is_read_where_it_is_included(
    name: str, expressions: tuple[str, ...], has_prompt: bool
) -> None:
    (need,) = needs(FILES["Kconfig"], name, lambda file: FILES.get(file, ""))
    assert (need.expressions, need.has_prompt) == (expressions, has_prompt)


@pytest.mark.parametrize("indent", ["\t", "\t  ", "          "])
def test_a_help_text_is_as_deep_as_its_first_line(indent: str) -> None:
    text = f"config A\n\tbool 'a'\n\thelp\n\n{indent}config B\n\n{indent}depends on X\nconfig C\n"
    assert needs(text, "B") == ()
    assert needs(text, "A")[0].expressions == ()
    assert len(needs(text, "C")) == 1


@given(
    st.text(alphabet='configenduf \n\tAB\\"', max_size=200),
    st.lists(
        st.sampled_from(["A", "B", "!", "(", ")", "&&", "||", "=", "!=", "if", "$(x)", '"', "<"])
    ),
)
def test_any_text_is_read_without_an_error(text: str, expression: list[str]) -> None:
    parse_config(text)
    entry = f"config A\n\tdepends on {' '.join(expression)}\n"
    for need in (*needs(text, "A", lambda _: text), *needs(entry, "A")):
        assert set(need.unmet({"B": "y"})) <= {"A", "B", "BA", "AB"} | set(text.split())
