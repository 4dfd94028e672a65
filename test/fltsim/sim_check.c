/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator's conscience: broken rules, things taken and not given back, failures on demand.
 */
#include <stdarg.h>
#include <stdio.h>

#include "sim.h"

static const char *const kinds[SIM_KINDS] = {
	"pool",	     "lookaside", "process reference", "thread reference", "token",
	"handle",    "file name", "context",	       "key name",	   "volume reference",
	"device",    "device reference", "mapping",    "callback",
};
static const char *const failures[SIM_FAILURES] = {
	"allocate", "name", "context", "key-name", "token", "image-name", "copy", "terminate", "open",
};

static int64_t balance[SIM_KINDS];
static uint32_t violations;
static uint32_t planned[SIM_FAILURES];
static uint32_t spared[SIM_FAILURES];
static uint32_t random_one_in;
static uint32_t random_state;

void sim_take(enum sim_kind kind)
{
	__atomic_fetch_add(&balance[kind], 1, __ATOMIC_RELAXED);
}

void sim_give(enum sim_kind kind)
{
	if (__atomic_fetch_sub(&balance[kind], 1, __ATOMIC_RELAXED) <= 0)
		sim_violation("%s given back that was not taken", kinds[kind]);
}

uint32_t sim_imbalance(void)
{
	uint32_t count = 0;
	int i;

	for (i = 0; i < SIM_KINDS; i++) {
		if (balance[i] == 0)
			continue;
		printf("violation %s: %lld left\n", kinds[i], (long long)balance[i]);
		count++;
	}
	return count;
}

void sim_violation(const char *format, ...)
{
	va_list arguments;

	if (__atomic_fetch_add(&violations, 1, __ATOMIC_RELAXED) > 20)
		return;
	va_start(arguments, format);
	printf("violation ");
	vprintf(format, arguments);
	printf("\n");
	fflush(stdout);
	va_end(arguments);
}

uint32_t sim_violations(void)
{
	return violations;
}

void sim_need_irql(const char *function, KIRQL max)
{
	const KIRQL irql = KeGetCurrentIrql();

	if (irql > max)
		sim_violation("%s called at IRQL %d, at most %d is allowed", function, irql, max);
}

int sim_plan_failure(const char *name, uint32_t count, uint32_t after)
{
	int i;

	for (i = 0; i < SIM_FAILURES; i++) {
		if (strcmp(failures[i], name) == 0) {
			spared[i] = after;
			__atomic_store_n(&planned[i], count, __ATOMIC_RELAXED);
			return 1;
		}
	}
	return 0;
}

void sim_fail_randomly(uint32_t one_in, uint32_t seed)
{
	random_one_in = one_in;
	random_state = seed | 1;
}

static uint32_t next_random(void)
{
	/* Torn steps only make it more random. */
	random_state = random_state * 1664525u + 1013904223u;
	return random_state >> 8;
}

int sim_fails(enum sim_failure what)
{
	uint32_t left = __atomic_load_n(&planned[what], __ATOMIC_RELAXED);

	/* The link's own thread is spared: scripts fail what they do themselves. */
	if (left && !sim_is_system_thread()) {
		if (spared[what]) {
			spared[what]--;
			return 0;
		}
		__atomic_store_n(&planned[what], left - 1, __ATOMIC_RELAXED);
		return 1;
	}
	return random_one_in && next_random() % random_one_in == 0;
}
