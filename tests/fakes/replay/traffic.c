// SPDX-License-Identifier: GPL-2.0-only
/* Stores every struct page in one way, chosen by -DWAY, so that its traffic is known. */
#include "kernel.h"

#define NT(offset) \
	__asm__ volatile("movnti %0, " #offset "(%1)" : : "r"(0UL), "r"(at) : "memory")
#define PLAIN(offset) (*(volatile unsigned long *)(at + (offset)) = 0)
#define READ(offset) ((void)*(volatile unsigned long *)(at + (offset)))
#define DRAIN() __asm__ volatile("sfence" : : : "memory")
#define ALL(x) x(0); x(8); x(16); x(24); x(32); x(40); x(48); x(56)

static void init(char *at)
{
#if defined(ORDINARY)
	ALL(PLAIN);
#elif defined(ONE_BYTE)
	*(volatile char *)(at + 63) = 0;
#elif defined(WHOLE)
	ALL(NT);
	DRAIN();
#elif defined(UNDRAINED)
	ALL(NT);
#elif defined(PARTIAL)
	NT(0); NT(8);
	DRAIN();
#elif defined(SPLIT)	/* whole, but sent out in two parts */
	NT(0); NT(8); NT(16); NT(24);
	DRAIN();
	NT(32); NT(40); NT(48); NT(56);
	DRAIN();
#elif defined(THEN_ORDINARY)
	ALL(NT);
	DRAIN();
	PLAIN(0);
#elif defined(ORDINARY_FIRST)
	PLAIN(0);
	ALL(NT);
	DRAIN();
#elif defined(CUT_SHORT)	/* an ordinary store sends out what waits */
	NT(0); NT(8);
	PLAIN(16);
	DRAIN();
#elif defined(READ_BACK)
	ALL(NT);
	READ(0);
	DRAIN();
#elif defined(READ_AFTER)
	ALL(NT);
	DRAIN();
	READ(0);
#elif defined(READ_MODIFY_WRITE)
	ALL(NT);
	__asm__ volatile("orq $64, (%0)" : : "r"(at) : "memory");
	DRAIN();
#elif defined(REP_STOS)
	unsigned long count = 64;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(0) : "memory");
#elif defined(REP_NOTHING)
	unsigned long count = 0;

	__asm__ volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(0) : "memory");
#elif defined(EVERY_SECOND)
	if ((unsigned long)at & 64)
		PLAIN(0);
#elif defined(ACROSS)	/* the last byte of this page and the first of the next */
	*(volatile unsigned short *)(at + 63) = 0;
#elif defined(NT_16)
	__asm__ volatile("movntdq %%xmm0, (%0); movntdq %%xmm0, 16(%0);"
			 "movntdq %%xmm0, 32(%0); movntdq %%xmm0, 48(%0)"
			 : : "r"(at) : "memory");
#elif defined(NT_4)
	for (int i = 0; i < 64; i += 4)
		__asm__ volatile("movnti %0, (%1)" : : "r"(0), "r"(at + i) : "memory");
#else
#error "no way to store is chosen"
#endif
}

void memmap_init_zone_device(struct pgmap *pgmap, unsigned long start, unsigned long nr)
{
	/* What is done once per call is not counted. */
	pfn_to_page(start)->flags = 0;
	for (unsigned long pfn = start; pfn < start + nr; pfn++)
		init((char *)pfn_to_page(pfn));
	pfn_to_page(start + nr - 1)->flags = 0;
}
