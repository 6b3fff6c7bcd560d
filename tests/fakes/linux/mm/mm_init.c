// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>

/* Instructions to the fake virtme-run. */
const char fake_kernel[] = "fake kernel: {\"ms\": 60}";

static void init_page(struct page *page)
{
	page->flags = 0;
	page->refcount = 0;
}

void memmap_init_zone_device(struct page *memmap, unsigned long nr_pages)
{
	unsigned long i;

	for (i = 0; i < nr_pages; i++)
		init_page(&memmap[i]);
}
