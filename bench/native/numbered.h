/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records that guest-send.c sends and guest-receive.c verifies: a number, a check word over
 * everything, a body. Both include this, so that the three ways carry the same bytes.
 */
#ifndef BENCH_NUMBERED_H
#define BENCH_NUMBERED_H

#include <stdint.h>
#include <string.h>

/* The two words in front of the body. */
#define NUMBERED_HEAD_WORDS 2u
/* Set in the number of a run's last record. */
#define NUMBERED_LAST (1ull << 63)
#define NUMBERED_BYTES_MAX 4096u

/* Where the ring lies in the region, and how large it is: 16 MiB, as in a planned region. */
#define NUMBERED_REGION_BYTES (32u << 20)
#define NUMBERED_PRODUCER_OFFSET 16384u
#define NUMBERED_CONSUMER_OFFSET 20480u
#define NUMBERED_RING_OFFSET 65536u
#define NUMBERED_CAPACITY_LOG2 24u

/* A sum that notices a changed, a moved and a missing word. */
static inline uint64_t numbered_sum(const uint64_t *words, uint32_t count)
{
	uint64_t plain = 1;
	uint64_t weighed = 0;
	uint32_t at;

	for (at = 0; at < count; at++) {
		plain += words[at];
		weighed += plain;
	}
	return plain ^ (weighed << 32 | weighed >> 32);
}

/* The check word of a record whose body has that sum. */
static inline uint64_t numbered_check(uint64_t number, uint64_t body_sum)
{
	return body_sum ^ number * 0x9e3779b97f4a7c15ull;
}

#endif /* BENCH_NUMBERED_H */
