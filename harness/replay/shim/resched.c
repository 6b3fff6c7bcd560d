// SPDX-License-Identifier: GPL-2.0-only
/* Counts the calls of cond_resched(), and the struct pages initialized between them. */
#include <stdio.h>

#include "user.h"

static struct {
	size_t page_struct_size;	/* 0: not watched */
	size_t calls, initialized, longest;
} resched;

/* Needs soil. Not for timed calls: it reads the memmap at each call of cond_resched(). */
void resched_watch(size_t page_struct_size)
{
	resched = (typeof(resched)){ .page_struct_size = page_struct_size };
}

static void end_run(void)
{
	size_t initialized = arena_initialized(resched.page_struct_size);
	size_t run = initialized - resched.initialized;

	resched.longest = run > resched.longest ? run : resched.longest;
	resched.initialized = initialized;
}

FROM_KERNEL int replay_saw_resched(void)
{
	if (resched.page_struct_size) {
		resched.calls++;
		end_run();
	}
	return 0;
}

void resched_print(void)
{
	if (!resched.page_struct_size)
		return;
	end_run();
	printf(", \"resched\": {\"calls\": %zu, \"longest\": %zu}", resched.calls, resched.longest);
}
