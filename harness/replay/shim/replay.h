/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between the kernel side (compiled with the kernel's own command line) and the user
 * side. It includes no header of either, because the two sides share none.
 *
 * A function has a folder of its own with
 *   case.h    struct replay_case, what it is called with: start_pfn and nr_pages, the range of struct
 *             pages that it initializes, and what else it needs; REPLAY_KEYS, their keys in a plan
 *   kernel.c  the kernel side, which includes kernel.h
 *   *.c       the user side: what user.h says of it
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "case.h"

/* Constants of the kernel's headers. Sizes in bytes. */
struct replay_facts {
	unsigned long page_struct_size;
	unsigned long pages_per_section;
	unsigned long pages_per_pageblock;
	unsigned long max_nodes;
	unsigned long max_pfn;		/* one past the last pfn that has a section */
	unsigned int traceable;		/* built with the function's fragments (check.py) */
};

/* Kernel side. */
void replay_describe(struct replay_facts *facts);
void replay_boot(unsigned long vmemmap_at);
void replay_prepare(const struct replay_case *c, void *room);
void replay_run(const struct replay_case *c, void *room);
/* The size of `room`, which holds what the call is given pointers to. */
unsigned long replay_room(void);

/* User side, called from the kernel side, whose stack is only 8-byte aligned. */
int replay_saw_resched(void);
void replay_patch_text(void *at, const void *bytes, unsigned long nr_bytes);

#endif
