// SPDX-License-Identifier: GPL-2.0-only
#include "user.h"

void case_check(const struct replay_case *c, const struct replay_facts *facts)
{
	if (c->nid >= facts->max_nodes)
		fail("invalid node %u", c->nid);
	if (c->page_ref && !facts->traceable)
		fail("the object was built without CONFIG_DEBUG_PAGE_REF");
}

unsigned long case_end_pfn(const struct replay_case *c)
{
	return c->start_pfn + c->nr_pages;
}
