// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a case's memmap, at its address in the virtual memmap. Guard pages on both sides
 * must not change, and nothing is mapped beyond them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user.h"

#define PAGE	4096UL
#define GUARD	(16 * PAGE)

static struct arena arena;
static size_t memmap_bytes;

static unsigned long round_up(unsigned long value, unsigned long to)
{
	return (value + to - 1) / to * to;
}

const struct arena *arena_map(const struct replay_case *c, const struct replay_facts *facts)
{
	unsigned long size = facts->page_struct_size;
	unsigned long start = VMEMMAP_ADDRESS + c->start_pfn * size;
	unsigned long end = VMEMMAP_ADDRESS + case_end_pfn(c) * size;
	unsigned char *low = (void *)(start / PAGE * PAGE - GUARD);
	unsigned char *high = (void *)(round_up(end, PAGE) + GUARD);

	memmap_bytes = end - start;
	arena.start = (void *)start;
	if (low == arena.low && high == arena.high)
		return &arena;
	if (arena.low)
		munmap(arena.low, arena.high - arena.low);
	arena.low = mmap(low, high - low, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (arena.low != low)
		fail("cannot map %zu bytes at %p: %s", (size_t)(high - low), (void *)low,
		     strerror(errno));
	arena.high = high;
	/* Fails without transparent huge pages; arena_huge_bytes() shows that. */
	madvise(low, high - low, MADV_HUGEPAGE);
	return &arena;
}

/* All words differ, so that a copy from elsewhere in the arena is detected too. */
static uint64_t soil(const uint64_t *word)
{
	return (word - (uint64_t *)arena.low + 1) * 0x9e3779b97f4a7c15UL;
}

void arena_soil(void)
{
	for (uint64_t *word = (uint64_t *)arena.low; word < (uint64_t *)arena.high; word++)
		*word = soil(word);
}

/* The number of struct pages whose first word is not as arena_soil() left it. */
size_t arena_initialized(size_t page_struct_size)
{
	size_t count = 0;

	for (size_t at = 0; at < memmap_bytes; at += page_struct_size) {
		const uint64_t *word = (uint64_t *)(arena.start + at);

		count += *word != soil(word);
	}
	return count;
}

uint64_t arena_digest(void)
{
	return xxh64(arena.low, arena.high - arena.low);
}

size_t arena_memmap_bytes(void)
{
	return memmap_bytes;
}

void arena_save(const char *path)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (file < 0)
		fail("%s: %s", path, strerror(errno));
	for (const unsigned char *at = arena.low; at < arena.high;) {
		ssize_t done = write(file, at, arena.high - at);

		if (done < 0)
			fail("%s: %s", path, strerror(errno));
		at += done;
	}
	if (close(file))
		fail("%s: %s", path, strerror(errno));
}

size_t arena_huge_bytes(void)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	bool ours = false;
	char text[512];
	size_t kib = 0;

	if (!maps)
		return 0;
	while (fgets(text, sizeof(text), maps)) {
		unsigned long from, to;
		size_t found;

		if (sscanf(text, "%lx-%lx ", &from, &to) == 2)
			ours = from >= (unsigned long)arena.low && to <= (unsigned long)arena.high;
		else if (ours && sscanf(text, "AnonHugePages: %zu kB", &found) == 1)
			kib += found;
	}
	fclose(maps);
	return kib << 10;
}
