/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between the kernel side (kernel.c, compiled with the kernel's own command line) and
 * the user side (all other files). It includes no header, because the two sides share none.
 */
#ifndef REPLAY_H
#define REPLAY_H

enum replay_type {
	REPLAY_PRIVATE,
	REPLAY_COHERENT,
	REPLAY_FS_DAX,
	REPLAY_GENERIC,
	REPLAY_PCI_P2PDMA,
	REPLAY_NR_TYPES
};

/* One call of memmap_init_zone_device(). Flags are 0 or 1. */
struct replay_case {
	unsigned int type;		/* enum replay_type */
	unsigned int shift;		/* pgmap->vmemmap_shift */
	unsigned int nid;
	unsigned int altmap;		/* reserve and free count only with it */
	unsigned int page_ref;		/* tracepoint page_ref_set is on */
	unsigned int early;		/* the range lies in sections present since boot */
	unsigned long start_pfn;
	unsigned long nr_pages;
	unsigned long reserve;
	unsigned long free;
};

/* Constants of the kernel's headers. Sizes in bytes. */
struct replay_facts {
	unsigned long page_struct_size;
	unsigned long pages_per_section;
	unsigned long pages_per_pageblock;
	unsigned long max_nodes;
	unsigned long max_pfn;		/* one past the last pfn that has a section */
	unsigned int has_page_ref;	/* built with CONFIG_DEBUG_PAGE_REF */
};

/* Kernel side. */
void replay_describe(struct replay_facts *facts);
void replay_boot(unsigned long vmemmap_at);
void replay_prepare(const struct replay_case *c, void *room);
void replay_run(const struct replay_case *c, void *room);
/* The size of `room`, which holds the pgmap and pgdat. */
unsigned long replay_room(void);

/* User side, called from the kernel side, whose stack is only 8-byte aligned. */
void replay_saw_pageblock(unsigned long pfn, int migratetype, int isolate);
void replay_saw_page_ref(unsigned long pfn, int count);
int replay_saw_resched(void);
void replay_patch_text(void *at, const void *bytes, unsigned long nr_bytes);

#endif
