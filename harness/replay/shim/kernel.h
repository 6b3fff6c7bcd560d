/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the kernel that any function needs; included once, by the kernel side of a function,
 * kernel.c in its folder. Compiled with the command line of the function's object, so that every
 * structure has the layout that the object expects.
 *
 * program/link.py refuses to link a program whose function references symbols missing here.
 */
#ifndef REPLAY_KERNEL_H
#define REPLAY_KERNEL_H

#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/unaligned.h>
#include <asm/processor.h>

#include "replay.h"

#ifndef vmemmap
#error "this configuration has no virtual memmap (CONFIG_SPARSEMEM_VMEMMAP)"
#endif

unsigned long vmemmap_base;
unsigned long volatile jiffies;
struct cpuinfo_x86 boot_cpu_data;

/*
 * Calls that a booted kernel has patched away (fentry, return thunks), which must preserve every
 * register, or that have nothing to do here (rescheduling, which is only counted). Per-CPU variables
 * are %gs:symbol, and the GS base of a process is 0.
 */
asm(".pushsection .text, \"ax\"\n"
    ".irp name, __cond_resched, __SCT__cond_resched\n"
    ".globl \\name\n"
    ".type \\name, @function\n"
    "\\name:\n"
    ".endr\n"
    "	jmp replay_saw_resched\n"
    ".globl __SCT__might_resched\n"
    ".type __SCT__might_resched, @function\n"
    "__SCT__might_resched:\n"
    "	xorl %eax, %eax\n"
    ".irp name, __fentry__, __x86_return_thunk, preempt_schedule_thunk,"
    " preempt_schedule_notrace_thunk, __SCT__preempt_schedule,"
    " __SCT__preempt_schedule_notrace\n"
    ".globl \\name\n"
    ".type \\name, @function\n"
    "\\name:\n"
    ".endr\n"
    "	ret\n"
    ".popsection\n"
    ".pushsection .bss, \"aw\", @nobits\n"
    ".balign 64\n"
    ".irp name, __preempt_count, __ref_stack_chk_guard\n"
    ".globl \\name\n"
    "\\name: .skip 64\n"
    ".endr\n"
    ".popsection\n");

/* All roots of a range share one array, because its sections are all alike. */
#ifdef CONFIG_SPARSEMEM_EXTREME
/* The largest NR_SECTION_ROOTS; it depends on the levels of page tables. */
#define MAX_SECTION_ROOTS ((1UL << (52 - SECTION_SIZE_BITS)) / SECTIONS_PER_ROOT)
static struct mem_section root[SECTIONS_PER_ROOT] __aligned(PAGE_SIZE);
static struct mem_section *roots[MAX_SECTION_ROOTS];
struct mem_section **mem_section = roots;
#else
#error "this configuration has no CONFIG_SPARSEMEM_EXTREME"
#endif

/* Where page->flags has what; read from the debug information. */
enum replay_flags {
	replay_section_shift = SECTIONS_PGSHIFT, replay_section_width = SECTIONS_WIDTH,
	replay_node_shift = NODES_PGSHIFT, replay_node_width = NODES_WIDTH,
	replay_zone_shift = ZONES_PGSHIFT, replay_zone_width = ZONES_WIDTH,
	replay_last_cpupid_shift = LAST_CPUPID_PGSHIFT,
	replay_last_cpupid_width = LAST_CPUPID_WIDTH,
};
enum replay_flags replay_known_parts;
enum pageflags replay_known_flags;

static void describe_kernel(struct replay_facts *facts)
{
	facts->page_struct_size = sizeof(struct page);
	facts->pages_per_section = PAGES_PER_SECTION;
	facts->pages_per_pageblock = pageblock_nr_pages;
	facts->max_nodes = MAX_NUMNODES;
	facts->max_pfn = NR_MEM_SECTIONS * PAGES_PER_SECTION;
}

void replay_boot(unsigned long vmemmap_at)
{
	vmemmap_base = vmemmap_at;
}

/* Of whole words, as struct page is; the kernel's own writes back what it stores ordinarily. */
void __memcpy_flushcache(void *dst, const void *src, size_t cnt);
void __memcpy_flushcache(void *dst, const void *src, size_t cnt)
{
	const u64 *from = src;
	u64 *to = dst;

	for (size_t i = 0; i < cnt / sizeof(*to); i++)
		asm volatile("movntiq %1, %0" : "=m" (to[i]) : "r" (from[i]));
}

/* For pr_debug() in the function, disabled as after boot. */
void __dynamic_pr_debug(struct _ddebug *descriptor, const char *fmt, ...)
{
}

#ifdef CONFIG_JUMP_LABEL
/* Defined by the linker, unless no object has a jump label. */
extern struct jump_entry __start___jump_table[] __weak;
extern struct jump_entry __stop___jump_table[] __weak;

#define JMP8	0xeb
#define JMP32	0xe9

/* Like arch_jump_label_transform() for one branch, in either state. */
static __maybe_unused void set_branch(struct jump_entry *entry, bool jump)
{
	u8 *code = (u8 *)jump_entry_code(entry);
	u8 bytes[5] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	bool is_short = code[0] == JMP8 || code[0] == 0x66;
	unsigned int size = is_short ? 2 : 5;
	s32 offset = jump_entry_target(entry) - (unsigned long)code - size;

	if (is_short) {
		bytes[0] = jump ? JMP8 : 0x66;
		bytes[1] = jump ? (u8)offset : 0x90;
	} else if (jump) {
		bytes[0] = JMP32;
		put_unaligned(offset, (s32 *)(bytes + 1));
	}
	replay_patch_text(code, bytes, size);
}
#endif

/* For the tracepoint of a key. */
static __maybe_unused void set_static_key(struct static_key *key, bool on)
{
	if (atomic_read(&key->enabled) == on)
		return;
	atomic_set(&key->enabled, on);
#ifdef CONFIG_JUMP_LABEL
	for (struct jump_entry *e = __start___jump_table; e < __stop___jump_table; e++)
		if (jump_entry_key(e) == key)
			set_branch(e, on ^ jump_entry_is_branch(e));
#endif
}

/* Make the range's sections present, since boot if it is early, and no others. */
static void set_sections(const struct replay_case *c, bool early)
{
	static unsigned long first, last;

	/* WRITE_ONCE(), or the compiler turns the loop into memset(). */
	for (unsigned long i = first; i <= last; i++)
		WRITE_ONCE(roots[i], NULL);
	first = SECTION_NR_TO_ROOT(pfn_to_section_nr(c->start_pfn));
	last = SECTION_NR_TO_ROOT(pfn_to_section_nr(c->start_pfn + c->nr_pages - 1));
	for (unsigned long i = first; i <= last; i++)
		WRITE_ONCE(roots[i], root);
	for (unsigned long i = 0; i < SECTIONS_PER_ROOT; i++)
		WRITE_ONCE(root[i].section_mem_map, early ? SECTION_IS_EARLY : 0);
}

#endif
