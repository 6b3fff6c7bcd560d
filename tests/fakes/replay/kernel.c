// SPDX-License-Identifier: GPL-2.0-only
/* The kernel side of the replay for the fake kernel. */
#include "kernel.h"
#include "replay.h"

unsigned long vmemmap_base;
struct folio *known_to_the_debug_information;
static int page_ref_on;

void replay_describe(struct replay_facts *facts)
{
	facts->page_struct_size = sizeof(struct page);
	facts->pages_per_section = 1 << 15;
	facts->pages_per_pageblock = 512;
	facts->max_nodes = 64;
	facts->max_pfn = 1UL << 40;
	facts->traceable = 1;
}

void replay_boot(unsigned long vmemmap_at)
{
	vmemmap_base = vmemmap_at;
}

unsigned long replay_room(void)
{
	return sizeof(struct pgmap);
}

void replay_prepare(const struct replay_case *c, void *room)
{
	struct pgmap *pgmap = room;

	pgmap->type = c->type;
	pgmap->shift = c->shift;
	pgmap->nid = c->nid;
	pgmap->first = c->altmap ? c->reserve + c->free : 0;
	page_ref_on = c->page_ref;
}

void replay_run(const struct replay_case *c, void *room)
{
	memmap_init_zone_device(room, c->start_pfn, c->nr_pages);
}

void init_pageblock(unsigned long pfn)
{
	replay_saw_pageblock(pfn, 1, 0);
}

void copy_elsewhere(struct page *to, const struct page *from)
{
	for (int i = 0; i < 8; i++)
		__asm__ volatile("movnti %1, %0" : "=m"(((unsigned long *)to)[i])
				 : "r"(((const unsigned long *)from)[i]));
}

void page_ref_set(unsigned long pfn, int count)
{
	if (page_ref_on)
		replay_saw_page_ref(pfn, count);
}
