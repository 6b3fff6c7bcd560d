# SPDX-License-Identifier: GPL-2.0-only
"""Disassemblies, and the functions reached in them."""

import pytest

from harness.kernel.call_graph import reach
from harness.kernel.objdump import Relocation, parse_disassembly

TEXT = """
mm/mm_init.o:     file format elf64-x86-64


Disassembly of section .text:

0000000000000000 <__init_page.constprop.0>:
   0:\tmovq   $0x0,0x38(%rdi)
   8:\tlock orq $0x40,(%rdi)
   d:\tret

0000000000000010 <memmap_alloc>:
  10:\tcall   15 <memmap_alloc+0x5>
\t\t\t11: R_X86_64_PLT32\tmemblock_alloc-0x4
  15:\tret

Disassembly of section .ref.text:

0000000000000000 <memmap_init_zone_device>:
   0:\tmov    0x0(%rip),%rbx        # 7 <memmap_init_zone_device+0x7>
\t\t\t3: R_X86_64_PC32\tjiffies-0x4
   7:\tjmp    c <memmap_init_zone_device+0xc>
\t\t\t8: R_X86_64_PC32\t.altinstr_aux+0x10
   c:\tcall   11 <memmap_init_zone_device+0x11>
\t\t\td: R_X86_64_PC32\t.text-0x4
  11:\tcall   20 <local>
  16:\tjmp    1b <memmap_init_zone_device+0x1b>
\t\t\t17: R_X86_64_PLT32\tdump_stack-0x4

0000000000000020 <local>:
  20:\tje,pn  22 <local+0x2>
  22:\tcall   27 <local+0x7>
\t\t\t23: R_X86_64_PLT32\tinit_pageblock_migratetype-0x4
  27:\tret

Disassembly of section .altinstr_aux:

0000000000000000 <.altinstr_aux>:
   0:\tcall   5 <.altinstr_aux+0x5>
\t\t\t1: R_X86_64_PLT32\tsomebody_elses-0x4
   5:\tjmp    a <.altinstr_aux+0xa>
\t\t\t6: R_X86_64_PC32\t.text+0xc
  14:\ttestb  $0x1,0x0(%rip)        # 1b <.altinstr_aux+0x1b>
\t\t\t16: R_X86_64_PC32\tboot_cpu_data+0x36
  1b:\tjmp    20 <.altinstr_aux+0x20>
\t\t\t1c: R_X86_64_PC32\t.ref.text+0x8
"""
UNDEFINED = {
    "jiffies",
    "dump_stack",
    "boot_cpu_data",
    "memblock_alloc",
    "init_pageblock_migratetype",
    "somebody_elses",
}


def test_functions_keep_their_section_and_place() -> None:
    code = parse_disassembly(TEXT)
    assert [(f.section, f.name, f.address) for f in code.functions][:3] == [
        (".text", "__init_page.constprop.0", 0),
        (".text", "memmap_alloc", 0x10),
        (".ref.text", "memmap_init_zone_device", 0),
    ]


def test_prefixes_hints_and_relocations_are_distinguished() -> None:
    code = parse_disassembly(TEXT)
    init = code.named("__init_page.constprop.0")
    local = code.named("local")
    function = code.named("memmap_init_zone_device")
    assert init and local and function
    assert (init.instructions[1].prefix, init.instructions[1].mnemonic) == ("lock", "orq")
    assert (local.instructions[0].mnemonic, local.instructions[0].target) == ("je", 0x22)
    # objdump leaves the distance to the end of the field in the addend.
    assert function.instructions[0].relocations == (Relocation("jiffies", 0),)
    assert function.instructions[0].operands == "0x0(%rip),%rbx"


def test_a_section_without_labels_is_split_at_jumps() -> None:
    code = parse_disassembly(TEXT)
    piece = code.resolve(Relocation(".altinstr_aux", 0x14))
    assert piece is not None
    assert [i.address for i in piece.instructions] == [0x14, 0x1B]


def test_only_symbols_of_reached_functions_are_wanted() -> None:
    found = reach(parse_disassembly(TEXT), ["memmap_init_zone_device"], UNDEFINED)
    assert [f.name for f in found.functions] == [
        "memmap_init_zone_device",
        ".altinstr_aux+0x14",
        "__init_page.constprop.0",
        "local",
    ]
    assert found.wanted == {
        "jiffies": ("memmap_init_zone_device",),
        "dump_stack": ("memmap_init_zone_device",),
        "boot_cpu_data": (".altinstr_aux+0x14",),
        "init_pageblock_migratetype": ("local",),
    }


def test_a_missing_root_is_an_error() -> None:
    with pytest.raises(ValueError, match="no function memmap_init"):
        reach(parse_disassembly(TEXT), ["memmap_init"], UNDEFINED)


@pytest.mark.parametrize("text", ["", "objdump: mm_init.o: file format not recognized\n"])
def test_a_text_without_code_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="objdump -dr"):
        parse_disassembly(text)
