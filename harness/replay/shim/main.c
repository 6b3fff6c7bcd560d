// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: replay PLAN [CPU]
 *
 * Runs the lines of PLAN in order on one CPU. Prints a JSON object of facts, then one per run, fill
 * or canary line:
 *   run KEY=VALUE ...   call the function; see keys[] below
 *   fill how=NAME       fill the memory of the last run with one instruction; see fill.c
 *   canary              run a loop that always takes as many cycles; see clock.c
 *   take file=FIFO      wait for a byte
 *   give file=FIFO      write a byte
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user.h"

#define MAX_BYTES	(64UL << 30)

struct command {
	struct replay_case c;
	unsigned int soil;	/* write a known pattern to the memory first */
	unsigned long settle;	/* pages to initialize first, untimed, to warm up */
	unsigned int digest;
	unsigned int resched;	/* count the pages between calls of cond_resched(); needs soil */
	char image[512];
	char trace[512];	/* needs watch */
	char watch[512];
	char file[512];
	char how[32];
};

static const struct {
	const char *name;
	size_t offset;
	size_t size;
} keys[] = {
#define KEY(name, field) \
	{ name, offsetof(struct command, field), sizeof(((struct command *)0)->field) }
#define CASE_KEY(name, field) KEY(name, c.field)
	REPLAY_KEYS(CASE_KEY),
	KEY("soil", soil), KEY("settle", settle), KEY("digest", digest), KEY("resched", resched),
	KEY("image", image),
	KEY("how", how), KEY("trace", trace), KEY("watch", watch), KEY("file", file),
#undef CASE_KEY
#undef KEY
};

static void set_number(void *at, size_t size, const char *name, const char *text)
{
	char *end;
	unsigned long value;
	unsigned int narrow;	/* a key is an unsigned int or an unsigned long */

	errno = 0;
	value = strtoul(text, &end, 10);
	narrow = (unsigned int)value;
	if (errno || *end || !*text || (size == sizeof(narrow) && narrow != value))
		fail("%s=%s is not a number", name, text);
	memcpy(at, size == sizeof(narrow) ? (void *)&narrow : (void *)&value, size);
}

static void set(struct command *command, char *word)
{
	char *value = strchr(word, '=');

	if (!value)
		fail("%s: expected KEY=VALUE", word);
	*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char *at = (char *)command + keys[i].offset;

		if (strcmp(keys[i].name, word))
			continue;
		if (keys[i].size <= sizeof(long))
			set_number(at, keys[i].size, word, value);
		else if (strlen(value) < keys[i].size)
			strcpy(at, value);
		else
			fail("%s is too long", word);
		return;
	}
	fail("%s: unknown key", word);
}

static void check(const struct replay_case *c, const struct replay_facts *facts)
{
	if (!c->nr_pages || c->nr_pages > MAX_BYTES / facts->page_struct_size ||
	    c->start_pfn + c->nr_pages > facts->max_pfn || c->start_pfn > facts->max_pfn)
		fail("invalid range of pages: %lu to %lu", c->start_pfn, c->start_pfn + c->nr_pages);
	case_check(c, facts);
}

static void print_times(struct moment begin, struct moment end)
{
	printf("\"ns\": %lu, \"cpu_ns\": %lu", end.wall_ns - begin.wall_ns,
	       end.cpu_ns - begin.cpu_ns);
}

static void prepare(const struct replay_case *c, const struct replay_facts *facts, void *room)
{
	memset(room, 0, replay_room());
	seen_reset(facts);
	replay_prepare(c, room);
}

static void settle(const struct command *command, const struct replay_facts *facts, void *room)
{
	struct replay_case part = command->c;

	part.nr_pages = command->settle;
	if (part.nr_pages > command->c.nr_pages)
		fail("settle=%lu exceeds the %lu pages of the range", part.nr_pages, command->c.nr_pages);
	check(&part, facts);
	prepare(&part, facts, room);
	replay_run(&part, room);
}

static void run(const struct command *command, const struct replay_facts *facts, void *room)
{
	const struct replay_case *c = &command->c;
	struct moment begin, end;
	int64_t instructions;

	check(c, facts);
	const struct arena *arena = arena_map(c, facts);

	if (command->soil)
		arena_soil();
	if (command->settle)
		settle(command, facts, room);
	prepare(c, facts, room);
	if (command->resched && !command->soil)
		fail("resched needs soil");
	resched_watch(command->resched ? facts->page_struct_size : 0);
	if (command->trace[0])
		trace_open(command->watch, command->trace);
	counter_start();
	begin = now();
	trace_start();
	replay_run(c, room);
	trace_stop();
	end = now();
	instructions = counter_stop();
	printf("{");
	print_times(begin, end);
	printf(", \"instructions\": %ld, \"huge_bytes\": %zu, \"before\": %zu", instructions,
	       arena_huge_bytes(), (size_t)(arena->start - arena->low));
	printf(", \"seen\": ");
	seen_print();
	resched_print();
	if (command->digest)
		printf(", \"digest\": \"%016lx\"", arena_digest());
	if (command->image[0])
		arena_save(command->image);
	printf("}\n");
}

static void measure_fill(const struct command *command, const struct arena *arena)
{
	size_t nr_bytes = arena_memmap_bytes();
	struct moment begin, end;

	if (!fill_supported(command->how)) {
		printf("{\"how\": \"%s\", \"supported\": false}\n", command->how);
		return;
	}
	begin = now();
	fill(command->how, arena->start, nr_bytes);
	end = now();
	printf("{\"how\": \"%s\", \"supported\": true, \"bytes\": %zu, ", command->how, nr_bytes);
	print_times(begin, end);
	printf("}\n");
}

static void measure_canary(void)
{
	struct moment begin = now(), end;

	canary();
	end = now();
	printf("{");
	print_times(begin, end);
	printf("}\n");
}

static void *make_room(void)
{
	void *room = mmap((void *)ROOM_ADDRESS, replay_room(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (room != (void *)ROOM_ADDRESS)
		fail("cannot map memory at %p: %s", (void *)ROOM_ADDRESS, strerror(errno));
	return room;
}

static void pin(const char *text)
{
	cpu_set_t cpus;
	char *end;
	unsigned long cpu = strtoul(text, &end, 10);

	CPU_ZERO(&cpus);
	if (*end || cpu >= CPU_SETSIZE)
		fail("%s is not a CPU", text);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		fail("cannot run on CPU %lu: %s", cpu, strerror(errno));
}

static void perform(char *text, const struct replay_facts *facts, void *room)
{
	static struct replay_case mapped;
	struct command command = { 0 };
	char *rest, *verb = strtok_r(text, " \n", &rest);

	if (!verb)
		return;
	for (char *word; (word = strtok_r(NULL, " \n", &rest));)
		set(&command, word);
	if (!strcmp(verb, "run")) {
		run(&command, facts, room);
		mapped = command.c;
	} else if (!strcmp(verb, "fill") && mapped.nr_pages) {
		measure_fill(&command, arena_map(&mapped, facts));
	} else if (!strcmp(verb, "canary")) {
		measure_canary();
	} else if (!strcmp(verb, "take")) {
		turn_take(command.file);
	} else if (!strcmp(verb, "give")) {
		turn_give(command.file);
	} else {
		fail("%s: expected run, canary, take, give, or fill after a run", verb);
	}
}

static void print_facts(const struct replay_facts *facts)
{
	printf("{\"page_struct_size\": %lu", facts->page_struct_size);
	printf(", \"pages_per_section\": %lu", facts->pages_per_section);
	printf(", \"pages_per_pageblock\": %lu", facts->pages_per_pageblock);
	printf(", \"max_nodes\": %lu", facts->max_nodes);
	printf(", \"traceable\": %s}\n", facts->traceable ? "true" : "false");
}

int main(int argc, char **argv)
{
	struct replay_facts facts = { 0 };
	char text[2048];
	FILE *plan;

	trap_install();
	if (argc < 2 || argc > 3)
		fail("usage: replay PLAN [CPU]");
	if (argc == 3)
		pin(argv[2]);
	plan = fopen(argv[1], "r");
	if (!plan)
		fail("%s: %s", argv[1], strerror(errno));
	replay_describe(&facts);
	replay_boot(VMEMMAP_ADDRESS);
	counter_open();
	print_facts(&facts);
	void *room = make_room();

	for (unsigned int number = 1; fgets(text, sizeof(text), plan); number++) {
		trap_at_line(number);
		perform(text, &facts, room);
	}
	return 0;
}
