/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the kernel that functions use which initialize struct pages; included after kernel.h
 * by the kernel side of such a function, whose case.h declares what is called here.
 */
#ifndef STRUCT_PAGES_H
#define STRUCT_PAGES_H

#include <linux/page-isolation.h>
#include <linux/page_ref.h>

void init_pageblock_migratetype(struct page *page, enum migratetype migratetype, bool isolate)
{
	replay_saw_pageblock(page_to_pfn(page), migratetype, isolate);
}

#ifdef CONFIG_DEBUG_PAGE_REF
struct tracepoint __tracepoint_page_ref_set;

void __page_ref_set(struct page *page, int v)
{
	replay_saw_page_ref(page_to_pfn(page), v);
}

static void set_page_ref_tracepoint(bool on)
{
	set_static_key(&__tracepoint_page_ref_set.key.key, on);
}
#else
static void set_page_ref_tracepoint(bool on)
{
}
#endif

#endif
