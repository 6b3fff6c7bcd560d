// SPDX-License-Identifier: GPL-2.0-only
#include "user.h"

#define MAX_SHIFT	18

void case_check(const struct replay_case *c, const struct replay_facts *facts)
{
	if (c->type >= REPLAY_NR_TYPES || c->shift > MAX_SHIFT || c->nid >= facts->max_nodes)
		fail("invalid type %u, shift %u or node %u", c->type, c->shift, c->nid);
	if (c->altmap && c->reserve + c->free >= c->nr_pages)
		fail("the altmap takes all %lu pages", c->nr_pages);
	if (c->page_ref && !facts->traceable)
		fail("the object was built without CONFIG_DEBUG_PAGE_REF");
}

/*
 * The kernel initializes whole compound pages, even the last one of a range that ends within it.
 */
unsigned long case_end_pfn(const struct replay_case *c)
{
	unsigned long first = c->start_pfn + (c->altmap ? c->reserve + c->free : 0);
	unsigned long end = c->start_pfn + c->nr_pages;
	unsigned long order = 1UL << c->shift;

	return first < end ? first + (end - first + order - 1) / order * order : end;
}
