// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single-steps one call and writes the registers at each watched instruction to a file.
 * object_checks.py chooses the instructions to watch, and decodes their stores.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ucontext.h>

#include "user.h"

#define TRAP_FLAG	0x100
#define MAX_STEPS	(1UL << 24)
/* The same order as in trace.py. */
static const int registers[] = {
	REG_RIP, REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static uint64_t *watched;
static size_t nr_watched;
static FILE *out;
static unsigned long steps;

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void on_step(int number, siginfo_t *info, void *context)
{
	const greg_t *values = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t at = values[REG_RIP], found[ARRAY_SIZE(registers)];

	(void)number;
	(void)info;
	if (++steps > MAX_STEPS)
		fail("the call executes more than %lu instructions", MAX_STEPS);
	if (!bsearch(&at, watched, nr_watched, sizeof(at), compare))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		found[i] = values[registers[i]];
	fwrite(found, sizeof(found), 1, out);
}

/* Reads sorted addresses from `watch`, writes registers to `path`; all 64-bit numbers. */
void trace_open(const char *watch, const char *path)
{
	const struct sigaction action = {
		.sa_sigaction = on_step,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	FILE *in = fopen(watch, "r");

	if (!in)
		fail("%s: %s", watch, strerror(errno));
	if (fseek(in, 0, SEEK_END))
		fail("%s: %s", watch, strerror(errno));
	nr_watched = ftell(in) / sizeof(*watched);
	rewind(in);
	watched = calloc(nr_watched ? nr_watched : 1, sizeof(*watched));
	if (!watched || fread(watched, sizeof(*watched), nr_watched, in) != nr_watched)
		fail("cannot read %s", watch);
	fclose(in);
	out = fopen(path, "w");
	if (!out)
		fail("%s: %s", path, strerror(errno));
	if (sigaction(SIGTRAP, &action, NULL))
		fail("cannot handle SIGTRAP");
	steps = 0;
}

static void set_trap_flag(unsigned long flag)
{
	unsigned long flags;

	/* push and pop must not overwrite the red zone. */
	asm volatile("lea -128(%%rsp), %%rsp; pushfq; popq %0; lea 128(%%rsp), %%rsp"
		     : "=r"(flags) : : "memory");
	flags = (flags & ~TRAP_FLAG) | flag;
	asm volatile("lea -128(%%rsp), %%rsp; pushq %0; popfq; lea 128(%%rsp), %%rsp"
		     : : "r"(flags) : "memory", "cc");
}

void trace_start(void)
{
	if (out)
		set_trap_flag(TRAP_FLAG);
}

void trace_stop(void)
{
	if (!out)
		return;
	set_trap_flag(0);
	if (fclose(out))
		fail("cannot write the trace: %s", strerror(errno));
	out = NULL;
	free(watched);
	trap_install();
}
