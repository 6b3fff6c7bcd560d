/* SPDX-License-Identifier: GPL-2.0-only */
/* As much of a kernel as the replay's tests need: the real one takes minutes to configure. */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

struct page {
	unsigned long flags;
	union {
		struct {
			unsigned long compound_info;
			void *zone_device_data;
		};
		struct {
			void *next;
			void *prev;
		} lru;
	};
	unsigned long private_[3];
	int _mapcount;
	int _refcount;
	unsigned long : 64;
};

struct folio {
	union {
		struct page page;
		struct {
			unsigned long flags;
			void *pgmap;
		};
	};
	unsigned long _flags_1;
};

struct pgmap {
	unsigned int type, shift, nid;
	unsigned long first;
};

extern unsigned long vmemmap_base;

static inline struct page *pfn_to_page(unsigned long pfn)
{
	return (struct page *)vmemmap_base + pfn;
}

void memmap_init_zone_device(struct pgmap *pgmap, unsigned long start, unsigned long nr);
void init_pageblock(unsigned long pfn);
void page_ref_set(unsigned long pfn, int count);
int cond_resched(void) __asm__("replay_saw_resched");
void copy_elsewhere(struct page *to, const struct page *from);
void not_provided(void);
void only_on_error(void) __asm__("dump_page");

#endif
