// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>

void memremap_pages(struct page *memmap)
{
	memmap_init_zone_device(memmap, 512);
}
