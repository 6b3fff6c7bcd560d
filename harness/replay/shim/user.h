/* SPDX-License-Identifier: GPL-2.0-only */
/* Interfaces within the user side, one file each. Addresses and sizes in bytes, times in ns. */
#ifndef USER_H
#define USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replay.h"

/*
 * Everything whose address is stored in a struct page has the same address in every program, so
 * that images compare byte for byte. The memmap's base is aligned like the kernel's, because a
 * tail's compound_info may be a mask, and below 16 TiB, where valgrind can map.
 */
#define VMEMMAP_ADDRESS	0x10000000000UL		/* 1 TiB */
#define ROOM_ADDRESS	0x0e000000000UL
/* program/link.py gives each undefined symbol a page here; none is ever mapped. */
#define TRAP_FIRST	0x10000UL
#define TRAP_END	0x400000UL

/* Kernel code aligns its stack to 8 bytes; user code may use instructions that need 16. */
#define FROM_KERNEL __attribute__((force_align_arg_pointer))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* arena.c: the memory that holds the memmap, with guard pages around it. */
struct arena {
	unsigned char *low;		/* first mapped byte */
	unsigned char *high;		/* one past the last */
	unsigned char *start;		/* struct page of case's start_pfn */
};

const struct arena *arena_map(const struct replay_case *c, const struct replay_facts *facts);
void arena_soil(void);
uint64_t arena_digest(void);
void arena_save(const char *path);
size_t arena_huge_bytes(void);
size_t arena_memmap_bytes(void);
size_t arena_initialized(size_t page_struct_size);

/* trap.c: every fault and error ends the program with a line of JSON. */
void trap_install(void);
void trap_at_line(unsigned int number);
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* resched.c: counts the pages between calls of cond_resched(). */
void resched_watch(size_t page_struct_size);	/* 0: do not */
void resched_print(void);

/* ranges.c: ranges of pages with two numbers; one that continues the last one extends it. */
struct range {
	unsigned long start, end;
	int with[2];
};

struct ranges {
	struct range *at;
	size_t nr, room;
};

void ranges_append(struct ranges *to, struct range r);
/* Inline: counts of instructions include it. */
static inline void ranges_add(struct ranges *to, struct range r)
{
	struct range *last = to->nr ? &to->at[to->nr - 1] : NULL;

	if (last && last->end == r.start && last->with[0] == r.with[0] &&
	    last->with[1] == r.with[1])
		last->end = r.end;
	else
		ranges_append(to, r);
}
void ranges_print(const char *name, const struct ranges *of);	/* a member of a JSON object */

/* In the function's own folder. */
void case_check(const struct replay_case *c, const struct replay_facts *facts);	/* or fail() */
unsigned long case_end_pfn(const struct replay_case *c);	/* one past the last pfn it writes */
void seen_reset(const struct replay_facts *facts);
void seen_print(void);	/* the calls to the rest of the kernel since, as JSON */

/* fill.c: fills memory with one instruction; false if the CPU does not support it. */
bool fill_supported(const char *how);
void fill(const char *how, unsigned char *at, size_t nr_bytes);

/* trace.c: single-steps one call. */
void trace_open(const char *watch, const char *path);
void trace_start(void);
void trace_stop(void);

/* turn.c: waits for a byte in a FIFO, writes a byte to another. */
void turn_take(const char *path);
void turn_give(const char *path);

/* digest.c */
uint64_t xxh64(const unsigned char *at, size_t nr_bytes);

/* clock.c */
struct moment {
	uint64_t wall_ns;
	uint64_t cpu_ns;	/* time on the CPU */
};

struct moment now(void);
void canary(void);
void counter_open(void);
void counter_start(void);
int64_t counter_stop(void);		/* instructions in user mode; negative: no counter */

#endif
