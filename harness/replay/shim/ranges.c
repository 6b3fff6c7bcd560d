// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>

#include "user.h"

void ranges_append(struct ranges *to, struct range r)
{
	if (to->nr == to->room) {
		to->room = to->room ? 2 * to->room : 64;
		to->at = realloc(to->at, to->room * sizeof(*to->at));
		if (!to->at)
			fail("no memory for %zu ranges", to->room);
	}
	to->at[to->nr++] = r;
}

void ranges_print(const char *name, const struct ranges *of)
{
	printf("\"%s\": [", name);
	for (size_t i = 0; i < of->nr; i++)
		printf("%s[%lu, %lu, %d, %d]", i ? ", " : "", of->at[i].start, of->at[i].end,
		       of->at[i].with[0], of->at[i].with[1]);
	printf("], ");
}
