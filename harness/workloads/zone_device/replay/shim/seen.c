// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records the calls of memmap_init_zone_device() to the rest of the kernel: pageblocks, merged into
 * ranges, and page_ref_set events.
 */
#include <stdio.h>

#include "user.h"

static unsigned long pageblock;
static struct ranges pageblocks;
static struct {
	unsigned long events, pages, first, last, digest;
} page_ref;

void seen_reset(const struct replay_facts *facts)
{
	pageblock = facts->pages_per_pageblock;
	pageblocks.nr = 0;
	page_ref = (typeof(page_ref)){ 0 };
}

FROM_KERNEL void replay_saw_pageblock(unsigned long pfn, int migratetype, int isolate)
{
	ranges_add(&pageblocks, (struct range){ pfn, pfn + pageblock, { migratetype, isolate } });
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
	printf("{");
	ranges_print("pageblocks", &pageblocks);
	printf("\"page_ref\": {\"events\": %lu, \"pages\": %lu, \"first\": %lu, \"last\": %lu, "
	       "\"digest\": \"%016lx\"}}",
	       page_ref.events, page_ref.pages, page_ref.first, page_ref.last, page_ref.digest);
}
