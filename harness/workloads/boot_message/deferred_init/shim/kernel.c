// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parts of the kernel that deferred_grow_zone() alone uses.
 *
 * It is the one caller of deferred_init_memmap_chunk() that no thread and no workqueue is needed
 * for; deferred_init_memmap(), which initializes most of the memory, calls the same function.
 */
#include "kernel.h"
#include "struct_pages.h"

#include <linux/memblock.h>
#include <linux/spinlock.h>

bool deferred_grow_zone(struct zone *zone, unsigned int order);
void __free_pages_core(struct page *page, unsigned int order, enum meminit_context context);

struct room {
	struct pglist_data pgdat;
};

struct memblock memblock;
/* What the range of a call is: its only free memory. */
static phys_addr_t free_start, free_end;

unsigned long replay_room(void)
{
	return sizeof(struct room);
}

void replay_describe(struct replay_facts *facts)
{
	describe_kernel(facts);
	facts->traceable = IS_ENABLED(CONFIG_DEBUG_PAGE_REF);
}

/* Passes the range once: *idx is 0 at first. */
void __next_mem_range(u64 *idx, int nid, enum memblock_flags flags, struct memblock_type *type_a,
		      struct memblock_type *type_b, phys_addr_t *out_start, phys_addr_t *out_end,
		      int *out_nid)
{
	if (*idx) {
		*idx = ULLONG_MAX;
		return;
	}
	*idx = 1;
	*out_start = free_start;
	*out_end = free_end;
}

/*
 * What the kernel's own does to each struct page, in the same two passes: in this function, and in
 * __free_pages_prepare(). The buddy allocator, which stores to one page per 4 MiB, is left out.
 */
void __free_pages_core(struct page *page, unsigned int order, enum meminit_context context)
{
	unsigned long nr_pages = 1UL << order;

	for (unsigned long i = 0; i < nr_pages; i++) {
		__ClearPageReserved(page + i);
		set_page_count(page + i, 0);
	}
	for (unsigned long i = 0; i < nr_pages; i++)
		page[i].flags.f &= ~PAGE_FLAGS_CHECK_AT_PREP;
	page->private = 0;
	replay_saw_free(page_to_pfn(page), order);
}

unsigned long _raw_spin_lock_irqsave(raw_spinlock_t *lock)
{
	return 0;
}

void _raw_spin_unlock_irqrestore(raw_spinlock_t *lock, unsigned long flags)
{
}

/* `at` is zeroed, and always the same address. */
void replay_prepare(const struct replay_case *c, void *at)
{
	struct room *room = at;
	struct zone *zone = &room->pgdat.node_zones[ZONE_NORMAL];

	room->pgdat.node_id = c->nid;
	room->pgdat.node_start_pfn = c->start_pfn;
	room->pgdat.node_spanned_pages = c->nr_pages;
	room->pgdat.first_deferred_pfn = c->start_pfn;
	zone->zone_pgdat = &room->pgdat;
	zone->zone_start_pfn = c->start_pfn;
	zone->spanned_pages = c->nr_pages;
#ifdef CONFIG_NUMA
	zone->node = c->nid;
#endif
	free_start = PFN_PHYS(c->start_pfn);
	free_end = PFN_PHYS(c->start_pfn + c->nr_pages);
	set_sections(c, true);
	set_page_ref_tracepoint(c->page_ref);
}

/* The whole zone is asked for, or as much as an int can say. */
void replay_run(const struct replay_case *c, void *at)
{
	struct room *room = at;

	deferred_grow_zone(&room->pgdat.node_zones[ZONE_NORMAL],
			   min(fls64(c->nr_pages - 1), 29));
}
