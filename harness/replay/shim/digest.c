// SPDX-License-Identifier: GPL-2.0-only
/* XXH64 (Yann Collet, https://xxhash.com) with seed 0: as fast as memory reads. */
#include <string.h>

#include "user.h"

#define P1 0x9e3779b185ebca87UL
#define P2 0xc2b2ae3d27d4eb4fUL
#define P3 0x165667b19e3779f9UL
#define P4 0x85ebca77c2b2ae63UL
#define P5 0x27d4eb2f165667c5UL

static uint64_t rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t word(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t step(uint64_t lane, uint64_t input)
{
	return rotate(lane + input * P2, 31) * P1;
}

static uint64_t merge(uint64_t hash, uint64_t lane)
{
	return (hash ^ step(0, lane)) * P1 + P4;
}

/* A memmap consists of whole words, so only the 8-byte tail of the format is implemented. */
uint64_t xxh64(const unsigned char *at, size_t nr_bytes)
{
	const unsigned char *end = at + nr_bytes;
	/* Four variables, because gcc keeps an array in memory. */
	uint64_t a = P1 + P2, b = P2, c = 0, d = -P1;
	uint64_t hash = P5;

	if (nr_bytes % 8)
		fail("digest of %zu bytes", nr_bytes);
	if (nr_bytes >= 32) {
		for (; end - at >= 32; at += 32) {
			a = step(a, word(at));
			b = step(b, word(at + 8));
			c = step(c, word(at + 16));
			d = step(d, word(at + 24));
		}
		hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
		hash = merge(merge(merge(merge(hash, a), b), c), d);
	}
	hash += nr_bytes;
	for (; at < end; at += 8)
		hash = rotate(hash ^ step(0, word(at)), 27) * P1 + P4;
	hash = (hash ^ hash >> 33) * P2;
	hash = (hash ^ hash >> 29) * P3;
	return hash ^ hash >> 32;
}
