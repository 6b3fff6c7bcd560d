/* SPDX-License-Identifier: GPL-2.0-only */
/* The calls of memmap_init_zone_device(). For both sides, like replay.h, which includes this. */
#ifndef CASE_H
#define CASE_H

enum replay_type {
	REPLAY_PRIVATE,
	REPLAY_COHERENT,
	REPLAY_FS_DAX,
	REPLAY_GENERIC,
	REPLAY_PCI_P2PDMA,
	REPLAY_NR_TYPES
};

/* One call. Flags are 0 or 1. */
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

/* The keys of a plan's lines. */
#define REPLAY_KEYS(KEY) \
	KEY("type", type), KEY("shift", shift), KEY("nid", nid), KEY("altmap", altmap), \
	KEY("page_ref", page_ref), KEY("early", early), KEY("start", start_pfn), \
	KEY("nr", nr_pages), KEY("reserve", reserve), KEY("free", free)

/* User side, called from the kernel side. */
void replay_saw_pageblock(unsigned long pfn, int migratetype, int isolate);
void replay_saw_page_ref(unsigned long pfn, int count);

#endif
