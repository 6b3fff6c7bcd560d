/* SPDX-License-Identifier: GPL-2.0-only */
struct page {
	unsigned long flags;
	int refcount;
};

void memmap_init_zone_device(struct page *memmap, unsigned long nr_pages);
void memremap_pages(struct page *memmap);
