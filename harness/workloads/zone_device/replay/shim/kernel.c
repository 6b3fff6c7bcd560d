// SPDX-License-Identifier: GPL-2.0-only
/* The parts of the kernel that memmap_init_zone_device() alone uses. */
#include "kernel.h"
#include "struct_pages.h"

#include <linux/memremap.h>

void memmap_init_zone_device(struct zone *zone, unsigned long start_pfn, unsigned long nr_pages,
			     struct dev_pagemap *pgmap);

struct room {
	struct dev_pagemap pgmap;
	struct pglist_data pgdat;
};

unsigned long replay_room(void)
{
	return sizeof(struct room);
}

void replay_describe(struct replay_facts *facts)
{
	describe_kernel(facts);
	facts->traceable = IS_ENABLED(CONFIG_DEBUG_PAGE_REF);
}

static int type_of(unsigned int type)
{
	static const int types[] = {
		[REPLAY_PRIVATE] = MEMORY_DEVICE_PRIVATE,
		[REPLAY_COHERENT] = MEMORY_DEVICE_COHERENT,
		[REPLAY_FS_DAX] = MEMORY_DEVICE_FS_DAX,
		[REPLAY_GENERIC] = MEMORY_DEVICE_GENERIC,
		[REPLAY_PCI_P2PDMA] = MEMORY_DEVICE_PCI_P2PDMA,
	};

	return types[type];
}

/* Build the arguments as memremap_pages() does. `at` is zeroed, and always the same address. */
void replay_prepare(const struct replay_case *c, void *at)
{
	struct room *room = at;
	struct zone *zone = &room->pgdat.node_zones[ZONE_DEVICE];
	struct vmem_altmap *altmap = &room->pgmap.altmap;

	room->pgmap.type = type_of(c->type);
	room->pgmap.vmemmap_shift = c->shift;
	room->pgmap.nr_range = 1;
	room->pgmap.range.start = PFN_PHYS(c->start_pfn);
	room->pgmap.range.end = PFN_PHYS(c->start_pfn + c->nr_pages) - 1;
	if (c->altmap) {
		room->pgmap.flags = PGMAP_ALTMAP_VALID;
		altmap->base_pfn = c->start_pfn;
		altmap->free = c->free;
		/* These are const for drivers. With an initializer, clang would call memset(). */
		*(unsigned long *)&altmap->reserve = c->reserve;
		*(unsigned long *)&altmap->end_pfn = c->start_pfn + c->nr_pages - 1;
	}

	room->pgdat.node_id = c->nid;
	zone->zone_pgdat = &room->pgdat;
#ifdef CONFIG_NUMA
	zone->node = c->nid;
#endif
	set_sections(c, c->early);
	set_page_ref_tracepoint(c->page_ref);
}

void replay_run(const struct replay_case *c, void *at)
{
	struct room *room = at;

	memmap_init_zone_device(&room->pgdat.node_zones[ZONE_DEVICE], c->start_pfn, c->nr_pages,
				&room->pgmap);
}
