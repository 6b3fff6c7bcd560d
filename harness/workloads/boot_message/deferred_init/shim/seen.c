// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records the calls of deferred_grow_zone() to the rest of the kernel: pageblocks and freed pages,
 * merged into ranges, and the page_ref_set events.
 */
#include <stdio.h>

#include "user.h"

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

FROM_KERNEL void replay_saw_pageblock(unsigned long pfn, int migratetype, int isolate)
{
	ranges_add(&pageblocks, (struct range){ pfn, pfn + pageblock, { migratetype, isolate } });
}

FROM_KERNEL void replay_saw_free(unsigned long pfn, unsigned int order)
{
	ranges_add(&freed, (struct range){ pfn, pfn + (1UL << order), { (int)order, 0 } });
}

FROM_KERNEL void replay_saw_page_ref(unsigned long pfn, int count)
{
	page_ref.events++;
	page_ref.digest = (page_ref.digest ^ (pfn << 8 | (count & 0xff))) * 0x100000001b3UL;
}

void seen_print(void)
{
	printf("{");
	ranges_print("pageblocks", &pageblocks);
	ranges_print("freed", &freed);
	printf("\"events\": %lu, \"digest\": \"%016lx\"}", page_ref.events, page_ref.digest);
}
