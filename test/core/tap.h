/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TAP output for the C tests: one line a case, a diagnostic for each check that failed. Included
 * by every program of this folder; test/core/programs.ts compiles and reads them.
 */
#ifndef UC_TEST_TAP_H
#define UC_TEST_TAP_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int tap_failures;
static int tap_case_failures;
static int tap_cases;

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition);                   \
			tap_case_failures++;                                                       \
		}                                                                                  \
	} while (0)

#define CHECK_EQUAL(actual, expected)                                                              \
	do {                                                                                       \
		const uint64_t tap_actual = (uint64_t)(actual);                                    \
		const uint64_t tap_expected = (uint64_t)(expected);                                \
		if (tap_actual != tap_expected) {                                                  \
			printf("# %s:%d: %s is %" PRIu64 ", expected %" PRIu64 "\n", __FILE__,     \
			       __LINE__, #actual, tap_actual, tap_expected);                       \
			tap_case_failures++;                                                       \
		}                                                                                  \
	} while (0)

static inline void tap_run(const char *name, void (*run)(void))
{
	tap_case_failures = 0;
	run();
	tap_cases++;
	tap_failures += tap_case_failures != 0;
	printf("%s %d - %s\n", tap_case_failures ? "not ok" : "ok", tap_cases, name);
}

static inline int tap_end(void)
{
	printf("1..%d\n", tap_cases);
	return tap_failures != 0;
}

/* splitmix64: the same numbers on every machine for one seed. */
static inline uint64_t tap_random(uint64_t *state)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15ull;

	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
	return value ^ (value >> 31);
}

#endif /* UC_TEST_TAP_H */
