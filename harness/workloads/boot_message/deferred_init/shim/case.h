/* SPDX-License-Identifier: GPL-2.0-only */
/* The calls of deferred_grow_zone(). For both sides, like replay.h, which includes this. */
#ifndef CASE_H
#define CASE_H

/* One call: a zone that is this range of free memory. Flags are 0 or 1. */
struct replay_case {
	unsigned int nid;
	unsigned int page_ref;		/* tracepoint page_ref_set is on */
	unsigned long start_pfn;
	unsigned long nr_pages;
};

/* The keys of a plan's lines. */
#define REPLAY_KEYS(KEY) \
	KEY("nid", nid), KEY("page_ref", page_ref), KEY("start", start_pfn), KEY("nr", nr_pages)

/* User side, called from the kernel side. */
void replay_saw_pageblock(unsigned long pfn, int migratetype, int isolate);
void replay_saw_free(unsigned long pfn, unsigned int order);
void replay_saw_page_ref(unsigned long pfn, int count);

#endif
