// SPDX-License-Identifier: GPL-2.0-only
/* Ends the program with a JSON line that describes the fault or error. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ucontext.h>

#include "user.h"

#define EXIT_TRAPPED 70

static volatile unsigned int line;

/* For the branches of static keys. The page is writable only during the call. */
FROM_KERNEL void replay_patch_text(void *at, const void *bytes, unsigned long nr_bytes)
{
	unsigned long from = (unsigned long)at & ~4095UL;
	unsigned long size = ((unsigned long)at + nr_bytes - from + 4095) & ~4095UL;

	if (mprotect((void *)from, size, PROT_READ | PROT_WRITE | PROT_EXEC))
		fail("cannot make text at %p writable", at);
	memcpy(at, bytes, nr_bytes);
	if (mprotect((void *)from, size, PROT_READ | PROT_EXEC))
		fail("cannot make text at %p read-only again", at);
}

void trap_at_line(unsigned int number)
{
	line = number;
}

void fail(const char *format, ...)
{
	va_list args;

	printf("{\"error\": \"");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\", \"line\": %u}\n", line);
	fflush(stdout);
	_exit(EXIT_TRAPPED);
}

/*
 * Faults are in the kernel's code, never in libc, so stdio is usable. si_addr is the address of the
 * access, or that of an instruction that cannot be executed.
 */
static void on_fault(int number, siginfo_t *info, void *context)
{
	const ucontext_t *state = context;

	printf("{\"trap\": \"SIG%s\", \"address\": %lu, \"instruction\": %lu, \"line\": %u}\n",
	       sigabbrev_np(number), (unsigned long)info->si_addr,
	       (unsigned long)state->uc_mcontext.gregs[REG_RIP], line);
	fflush(stdout);
	_exit(EXIT_TRAPPED);
}

void trap_install(void)
{
	static unsigned char stack[64 << 10];
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const struct sigaction action = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND,
	};

	if (sigaltstack(&alternate, NULL))
		fail("sigaltstack failed");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (sigaction(numbers[i], &action, NULL))
			fail("cannot handle signal %d", numbers[i]);
}
