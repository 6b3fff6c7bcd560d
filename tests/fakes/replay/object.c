// SPDX-License-Identifier: GPL-2.0-only
/* The function on trial; -DWRONG_... makes one of the mistakes that the replay has to find. */
#include "kernel.h"

static void init_page(struct page *page, unsigned long pfn, struct pgmap *pgmap)
{
	page->flags = 3UL << 62 | (unsigned long)pgmap->nid << 54 | 1;
	page->compound_info = (unsigned long)pgmap;
	page->zone_device_data = (void *)0;
	for (int i = 0; i < 3; i++)
		page->private_[i] = 0;
	((unsigned long *)page)[7] = 0;
	page->_mapcount = -1;
#ifdef WRONG_REFCOUNT
	page->_refcount = pgmap->type == WRONG_REFCOUNT;
#else
	page->_refcount = 0;
#endif
	page_ref_set(pfn, 0);
}

static void stream_page(struct page *page)
{
#ifdef STREAMING_ELSEWHERE
	struct page copy = *page;

	copy_elsewhere(page, &copy);
	__asm__ volatile("sfence" : : : "memory");
#elif defined(STREAMING)
	struct page copy = *page;
	unsigned long *from = (unsigned long *)&copy, *word = (unsigned long *)page;

	__asm__ volatile("" : "+m"(copy) : : "memory");
	for (int i = 0; i < 8; i++)
		__asm__ volatile("movnti %1, %0" : "=m"(word[i]) : "r"(from[i]));
#if !defined(WRONG_NO_FENCE) && !defined(WRONG_LATE_FENCE)
	__asm__ volatile("sfence" : : : "memory");
#endif
#endif
}

void memmap_init_zone_device(struct pgmap *pgmap, unsigned long start, unsigned long nr)
{
	unsigned long end = start + nr, step = 1UL << pgmap->shift;

	start += pgmap->first;
	for (unsigned long pfn = start; pfn < end; pfn += step) {
		init_page(pfn_to_page(pfn), pfn, pgmap);
		stream_page(pfn_to_page(pfn));
		for (unsigned long tail = 1; tail < step; tail++) {
			init_page(pfn_to_page(pfn + tail), pfn + tail, pgmap);
#ifdef WRONG_COMPOUND_INFO
			pfn_to_page(pfn + tail)->compound_info = pfn | 1;
#else
			pfn_to_page(pfn + tail)->compound_info = (unsigned long)pfn_to_page(pfn) | 1;
#endif
		}
		if (step > 1)
			pfn_to_page(pfn)->flags |= 64;
#ifndef WRONG_NO_RESCHED
		if (!(pfn & 32767))
			cond_resched();
#endif
	}
#ifdef WRONG_PAST_THE_END
	pfn_to_page(start + ((end - start + step - 1) & -step))->private_[0] = 0;
#endif
#ifdef WRONG_FAR_AWAY
	pfn_to_page(end + (1UL << 24))->flags = 0;
#endif
#ifdef WRONG_SYMBOL
	if (nr == 1)
		not_provided();
#endif
#ifdef WRONG_BUG
	if (nr == 512)
		only_on_error();
#endif
#ifdef WRONG_PAGEBLOCKS
	end = start + (end - start) / 2;
#endif
	for (unsigned long pfn = (start + 511) & ~511UL; pfn < end; pfn += 512)
		init_pageblock(pfn);
#ifdef WRONG_LATE_FENCE
	__asm__ volatile("sfence" : : : "memory");
#endif
}
