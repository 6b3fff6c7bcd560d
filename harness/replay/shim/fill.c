// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fills memory as fast as one CPU can, without computing the content: the limit for the function's
 * own stores. No line is all zeros: Ice Lake servers do not write such lines to memory if the memory
 * has zeros there already.
 */
#include <immintrin.h>
#include <string.h>

#include "user.h"

static void movnti(unsigned char *at, size_t nr_bytes)
{
	for (size_t i = 0; i < nr_bytes; i += 64) {
		long long *line = (long long *)(at + i);

		_mm_stream_si64(line + 0, ~i);
		_mm_stream_si64(line + 1, ~i);
		_mm_stream_si64(line + 2, ~i);
		_mm_stream_si64(line + 3, ~i);
		_mm_stream_si64(line + 4, ~i);
		_mm_stream_si64(line + 5, ~i);
		_mm_stream_si64(line + 6, ~i);
		_mm_stream_si64(line + 7, ~i);
	}
	_mm_sfence();
}

static void movntdq(unsigned char *at, size_t nr_bytes)
{
	const __m128i value = _mm_set1_epi64x(nr_bytes);

	for (size_t i = 0; i < nr_bytes; i += 64) {
		__m128i *line = (__m128i *)(at + i);

		_mm_stream_si128(line + 0, value);
		_mm_stream_si128(line + 1, value);
		_mm_stream_si128(line + 2, value);
		_mm_stream_si128(line + 3, value);
	}
	_mm_sfence();
}

__attribute__((target("avx512f"))) static void vmovntdq(unsigned char *at, size_t nr_bytes)
{
	const __m512i value = _mm512_set1_epi64(nr_bytes);

	for (size_t i = 0; i < nr_bytes; i += 64)
		_mm512_stream_si512((__m512i *)(at + i), value);
	_mm_sfence();
}

static void mov(unsigned char *at, size_t nr_bytes)
{
	/* volatile, or the compiler turns the loop into vector stores or memset(). */
	for (size_t i = 0; i < nr_bytes; i += 64) {
		volatile uint64_t *line = (volatile uint64_t *)(at + i);

		line[0] = ~i;
		line[1] = ~i;
		line[2] = ~i;
		line[3] = ~i;
		line[4] = ~i;
		line[5] = ~i;
		line[6] = ~i;
		line[7] = ~i;
	}
}

static void rep_stosb(unsigned char *at, size_t nr_bytes)
{
	asm volatile("rep stosb" : "+D"(at), "+c"(nr_bytes) : "a"(0x5a) : "memory");
}

static bool always(void)
{
	return true;
}

static bool has_avx512f(void)
{
	return __builtin_cpu_supports("avx512f");
}

static const struct {
	const char *name;
	void (*fill)(unsigned char *at, size_t nr_bytes);
	bool (*supported)(void);
} ways[] = {
	{ "movnti", movnti, always },
	{ "movntdq", movntdq, always },
	{ "vmovntdq-512", vmovntdq, has_avx512f },
	{ "mov", mov, always },
	{ "rep-stosb", rep_stosb, always },
};

static size_t find(const char *how)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(ways[i].name, how))
			return i;
	fail("unknown instruction %s", how);
}

bool fill_supported(const char *how)
{
	return ways[find(how)].supported();
}

void fill(const char *how, unsigned char *at, size_t nr_bytes)
{
	/* Whole cache lines; the rest at both ends does not matter. */
	unsigned char *from = (unsigned char *)(((uintptr_t)at + 63) & ~63UL);

	ways[find(how)].fill(from, (nr_bytes - (from - at)) & ~63UL);
}
