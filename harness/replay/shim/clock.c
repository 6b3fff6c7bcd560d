// SPDX-License-Identifier: GPL-2.0-only
/* Measures time and, if the machine has a counter, instructions. */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "user.h"

/* Some 100 us: long beside a timer interrupt, short beside a slice. */
#define CANARY_LOOPS	150000UL

static int counter = -1;

static uint64_t ns_of(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000UL + time.tv_nsec;
}

struct moment now(void)
{
	return (struct moment){ ns_of(CLOCK_MONOTONIC), ns_of(CLOCK_THREAD_CPUTIME_ID) };
}

/*
 * Takes as many cycles each time: no memory, no branch that is mispredicted but the last. It needs
 * all of the core's ports for integers, so a busy hyper-thread shows as well as a lower frequency.
 */
__attribute__((aligned(64), noinline)) void canary(void)
{
	unsigned long a = 0, b = 0, c = 0, d = 0, count = CANARY_LOOPS;

	asm volatile(".p2align 6\n"
		     "1:	add $1, %0\n"
		     "	add $1, %1\n"
		     "	add $1, %2\n"
		     "	add $1, %3\n"
		     "	add $3, %0\n"
		     "	add $3, %1\n"
		     "	add $3, %2\n"
		     "	add $3, %3\n"
		     "	dec %4\n"
		     "	jnz 1b"
		     : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(count)
		     :
		     : "cc");
}

/* Fails on many virtual machines, and where perf_event_paranoid forbids it. */
void counter_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	counter = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void counter_start(void)
{
	if (counter < 0)
		return;
	ioctl(counter, PERF_EVENT_IOC_RESET, 0);
	ioctl(counter, PERF_EVENT_IOC_ENABLE, 0);
}

int64_t counter_stop(void)
{
	int64_t count;

	if (counter < 0)
		return -1;
	ioctl(counter, PERF_EVENT_IOC_DISABLE, 0);
	return read(counter, &count, sizeof(count)) == sizeof(count) ? count : -1;
}
