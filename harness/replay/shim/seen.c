// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records the calls of memmap_init_zone_device() to the rest of the kernel: pageblocks, merged into
 * ranges, page_ref_set events, and cond_resched() with the pages initialized since the last one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "user.h"

struct range {
	unsigned long start, end;
	int migratetype, isolate;
};

static unsigned long pageblock;
static struct range *ranges;
static size_t nr_ranges, room;
static struct {
	unsigned long events, pages, first, last, digest;
} page_ref;
static struct {
	size_t page_struct_size;	/* 0: not watched */
	size_t calls, initialized, longest;
} resched;

void seen_reset(unsigned long pages_per_pageblock)
{
	pageblock = pages_per_pageblock;
	nr_ranges = 0;
	page_ref = (typeof(page_ref)){ 0 };
	resched = (typeof(resched)){ 0 };
}

/* Needs soil. Not for timed calls: it reads the memmap at each call of cond_resched(). */
void seen_watch_resched(size_t page_struct_size)
{
	resched.page_struct_size = page_struct_size;
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

FROM_KERNEL void replay_saw_pageblock(unsigned long pfn, int migratetype, int isolate)
{
	struct range *last = nr_ranges ? &ranges[nr_ranges - 1] : NULL;

	if (last && last->end == pfn && last->migratetype == migratetype &&
	    last->isolate == isolate) {
		last->end += pageblock;
		return;
	}
	if (nr_ranges == room) {
		room = room ? 2 * room : 64;
		ranges = realloc(ranges, room * sizeof(*ranges));
		if (!ranges)
			fail("no memory for %zu pageblock ranges", room);
	}
	ranges[nr_ranges++] = (struct range){ pfn, pfn + pageblock, migratetype, isolate };
}

/* All events of a page are consecutive, so a new pfn is a new page. */
FROM_KERNEL void replay_saw_page_ref(unsigned long pfn, int count)
{
	page_ref.pages += !page_ref.events || page_ref.last != pfn;
	page_ref.first = page_ref.events ? page_ref.first : pfn;
	page_ref.last = pfn;
	page_ref.events++;
	page_ref.digest = (page_ref.digest ^ (pfn << 8 | (count & 0xff))) * 0x100000001b3UL;
}

void seen_print(void)
{
	printf(", \"pageblocks\": [");
	for (size_t i = 0; i < nr_ranges; i++)
		printf("%s[%lu, %lu, %d, %d]", i ? ", " : "", ranges[i].start, ranges[i].end,
		       ranges[i].migratetype, ranges[i].isolate);
	printf("], \"page_ref\": {\"events\": %lu, \"pages\": %lu, \"first\": %lu, \"last\": %lu, "
	       "\"digest\": \"%016lx\"}",
	       page_ref.events, page_ref.pages, page_ref.first, page_ref.last, page_ref.digest);
	if (resched.page_struct_size) {
		end_run();
		printf(", \"resched\": {\"calls\": %zu, \"longest\": %zu}", resched.calls,
		       resched.longest);
	}
}
