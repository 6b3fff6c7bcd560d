// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records the calls of deferred_grow_zone() to the rest of the kernel: pageblocks and freed pages,
 * merged into ranges, and the page_ref_set events.
 */
#include <stdio.h>
#include <stdlib.h>

#include "user.h"

struct range {
	unsigned long start, end;
	int with[2];
};

struct ranges {
	struct range *at;
	size_t nr, room;
};

static unsigned long pageblock;
static struct ranges pageblocks, freed;
static struct {
	unsigned long events, digest;
} page_ref;

void seen_reset(const struct replay_facts *facts)
{
	pageblock = facts->pages_per_pageblock;
	pageblocks.nr = freed.nr = 0;
	page_ref = (typeof(page_ref)){ 0 };
}

static void add(struct ranges *to, struct range r)
{
	struct range *last = to->nr ? &to->at[to->nr - 1] : NULL;

	if (last && last->end == r.start && last->with[0] == r.with[0] &&
	    last->with[1] == r.with[1]) {
		last->end = r.end;
		return;
	}
	if (to->nr == to->room) {
		to->room = to->room ? 2 * to->room : 64;
		to->at = realloc(to->at, to->room * sizeof(*to->at));
		if (!to->at)
			fail("no memory for %zu ranges", to->room);
	}
	to->at[to->nr++] = r;
}

FROM_KERNEL void replay_saw_pageblock(unsigned long pfn, int migratetype, int isolate)
{
	add(&pageblocks, (struct range){ pfn, pfn + pageblock, { migratetype, isolate } });
}

FROM_KERNEL void replay_saw_free(unsigned long pfn, unsigned int order)
{
	add(&freed, (struct range){ pfn, pfn + (1UL << order), { (int)order, 0 } });
}

FROM_KERNEL void replay_saw_page_ref(unsigned long pfn, int count)
{
	page_ref.events++;
	page_ref.digest = (page_ref.digest ^ (pfn << 8 | (count & 0xff))) * 0x100000001b3UL;
}

static void print(const char *name, const struct ranges *of)
{
	printf("\"%s\": [", name);
	for (size_t i = 0; i < of->nr; i++)
		printf("%s[%lu, %lu, %d, %d]", i ? ", " : "", of->at[i].start, of->at[i].end,
		       of->at[i].with[0], of->at[i].with[1]);
	printf("], ");
}

void seen_print(void)
{
	printf("{");
	print("pageblocks", &pageblocks);
	print("freed", &freed);
	printf("\"events\": %lu, \"digest\": \"%016lx\"}", page_ref.events, page_ref.digest);
}
