/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions of one rule look-up, counted by single-stepping a child: exact, repeatable, and
 * independent of the machine's load. An open that matches nothing must cost little.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "uc_rules.h"

/* Promise of the driver's cost budget, for a table of a hundred rules. */
#define INSTRUCTIONS_MAX 200

static void *allocate(void *context, size_t bytes)
{
	(void)context;
	return malloc(bytes);
}

static void release(void *context, void *memory, size_t bytes)
{
	(void)context;
	(void)bytes;
	free(memory);
}

static const struct uc_allocator allocator = { allocate, release, NULL };
static struct uc_rules *rules;

static void build_table(void)
{
	static uint8_t body[0x10000];
	struct uc_command_rules_begin begin = { 1, 100, 0 };
	struct uc_command_rules_commit commit = { 1 };
	struct uc_rules_builder builder;
	uint32_t bytes = 0;
	uint32_t i;

	memset(&builder, 0, sizeof(builder));
	for (i = 0; i < 100; i++) {
		struct uc_rule rule = { i + 1, 0, UC_OPERATIONS_KNOWN, 1 + i % 4,
					UC_VERDICT_DENY, UC_UID_ANY, 0, 0 };
		char pattern[64];

		snprintf(pattern, sizeof(pattern),
			 i % 4 == 0 ? "/usr/lib/evil-%u.so" :
			 i % 4 == 1 ? "/usr/share/stash-%u/" :
			 i % 4 == 2 ? ".locked%u" :
				      "dropper-%u",
			 i);
		rule.pattern_bytes = (uint32_t)strlen(pattern);
		memcpy(body + bytes, &rule, sizeof(rule));
		bytes += (uint32_t)sizeof(rule);
		memcpy(body + bytes, pattern, rule.pattern_bytes);
		bytes += (rule.pattern_bytes + 7) & ~7u;
	}
	CHECK_EQUAL(uc_rules_begin(&builder, &allocator, (uint8_t *)&begin, sizeof(begin)),
		    UC_RESULT_DONE);
	CHECK_EQUAL(uc_rules_add(&builder, body, bytes), UC_RESULT_DONE);
	CHECK_EQUAL(uc_rules_commit(&builder, (uint8_t *)&commit, sizeof(commit), &rules),
		    UC_RESULT_DONE);
}

/* Steps from the child's next stop to the one after it. */
static long steps_to_next_stop(pid_t child)
{
	long steps = 0;
	int status;

	for (;;) {
		if (ptrace(PTRACE_SINGLESTEP, child, 0, 0) || waitpid(child, &status, 0) != child ||
		    !WIFSTOPPED(status))
			return -1;
		if (WSTOPSIG(status) == SIGSTOP)
			return steps;
		steps++;
	}
}

static long instructions(const char *path)
{
	struct uc_rules_query query = { UC_OPERATION_OPEN, 0, 1, path, (uint32_t)strlen(path),
					NULL };
	struct uc_rules_answer answer;
	const pid_t child = fork();
	long empty;
	long full;
	int status;

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		/* Once before counting: lazy binding is not part of a look-up. */
		uc_rules_match(rules, &query, &answer);
		raise(SIGSTOP);
		raise(SIGSTOP);
		uc_rules_match(rules, &query, &answer);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(child, &status, 0);
	empty = steps_to_next_stop(child);
	full = steps_to_next_stop(child);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	CHECK(empty > 0 && full > empty);
	return full - empty;
}

static void a_miss_costs_little(void)
{
	const char *paths[] = {
		"/usr/lib/x86_64-linux-gnu/libc.so.6",
		"/usr/share/zoneinfo/Europe/Berlin",
		"/home/user/project/node_modules/undercroft/dist/index.js",
		"/etc/ld.so.cache",
	};
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const long count = instructions(paths[i]);

		printf("# %ld instructions for %s\n", count, paths[i]);
		CHECK(count <= INSTRUCTIONS_MAX);
	}
}

int main(void)
{
	build_table();
	tap_run("a look-up that misses costs at most 200 instructions", a_miss_costs_little);
	return tap_end();
}
