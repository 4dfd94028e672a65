/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producer and consumer of one ring in two threads, and one limiter in two, under the thread
 * sanitizer: no data race, nothing torn, nothing lost that is not named.
 */
#include <pthread.h>
#include <sched.h>

#include "hand-server.h"
#include "tap.h"
#include "uc_limit.h"
#include "uc_ring.h"

#define RECORDS 60000u

static struct hand_server server;
static struct hand_reader reader;
static struct uc_region_map map;
static struct uc_sequence sequence;
static struct uc_ring ring;
static uint8_t page[UC_PAGE_BYTES];
static uint64_t staging[(1u << 14) / 8 / 8];
static uint32_t finished;

static void *produce(void *unused)
{
	uint64_t seed = 1;
	uint32_t i;

	(void)unused;
	for (i = 0; i < RECORDS; i++) {
		const uint32_t words = 9 + (uint32_t)(tap_random(&seed) % 60);
		uint64_t *to = uc_ring_reserve(&ring, UC_RECORD_FILE_OPEN, words * 8);
		uint32_t j;

		if (to) {
			for (j = 0; j < words; j++)
				to[j] = uc_ring_reserved_sequence(&ring) * 1000 + j;
			uc_ring_commit(&ring, words * 8, 0, i % 7 == 0);
		}
		if (i % 50 == 0) {
			uc_ring_tick(&ring);
			sched_yield();
		}
	}
	/* The consumer goes on until everything pending has found its place. */
	while (ring.pending_mask) {
		uc_ring_tick(&ring);
		sched_yield();
	}
	uc_ring_tick(&ring);
	__atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
	return NULL;
}

static uint64_t check_batch(int count, uint64_t *last)
{
	uint64_t delivered = 0;
	uint64_t words[80];
	uint32_t i;
	uint32_t j;

	for (i = 0; i < (uint32_t)count; i++) {
		if (hand_type(&reader, i) == UC_RECORD_LOST)
			continue;
		memcpy(words, hand_payload(&reader, i), hand_length(&reader, i));
		CHECK(words[0] / 1000 > *last);
		*last = words[0] / 1000;
		for (j = 1; j < hand_length(&reader, i) / 8; j++) {
			if (words[j] != words[0] + j)
				CHECK_EQUAL(words[j], words[0] + j);
		}
		delivered++;
	}
	return delivered;
}

static void race_one_ring(uint64_t features)
{
	uint64_t delivered = 0;
	uint64_t last = 0;
	pthread_t producer;
	int count = 0;
	uint32_t done = 0;

	hand_init(&server, 14);
	CHECK_EQUAL(uc_region_read(&map, server.region, HAND_REGION_BYTES, page), 0);
	sequence.last = 0;
	finished = 0;
	uc_ring_init(&ring, server.region, uc_region_ring(&map, UC_RING_DATA, 1),
		     UC_MAP_WRITE_BACK, staging, &sequence);
	CHECK_EQUAL(uc_ring_start(&ring, HAND_SESSION, features), 0);
	CHECK_EQUAL(hand_read(&reader, &server, HAND_DATA + 1, features), 0);
	pthread_create(&producer, NULL, produce, NULL);
	while (count != 0 || !done) {
		done = __atomic_load_n(&finished, __ATOMIC_ACQUIRE);
		count = uc_consumer_drain(&reader.consumer);
		CHECK(count >= 0);
		if (count < 0)
			break;
		if (count == 0)
			sched_yield();
		delivered += check_batch(count, &last);
	}
	pthread_join(producer, NULL);
	CHECK_EQUAL(delivered + reader.stats[UC_CONSUMER_NAMED], RECORDS);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_NAMED], reader.stats[UC_CONSUMER_MISSING]);
	CHECK_EQUAL(ring.server_faults, 0);
	CHECK(delivered > 1000);
}

static void a_ring_between_two_threads(void)
{
	race_one_ring(0);
}

static void a_ring_with_checksums_between_two_threads(void)
{
	race_one_ring(UC_FEATURE_CRC32C);
}

static struct uc_limit limit;

static void *take(void *passed)
{
	uint32_t i;

	for (i = 0; i < 100000; i++)
		*(uint64_t *)passed += uc_limit_take(&limit, 1000000000ull);
	return NULL;
}

static void a_limiter_between_two_threads(void)
{
	uint64_t passed[2] = { 0, 0 };
	pthread_t other;

	uc_limit_init(&limit, 1000, 50000);
	pthread_create(&other, NULL, take, &passed[1]);
	take(&passed[0]);
	pthread_join(other, NULL);
	CHECK_EQUAL(passed[0] + passed[1], 50000);
}

/* With `canary`, two threads write one ring without a lock: the sanitizer must object. */
int main(int count, char **arguments)
{
	if (count > 1 && strcmp(arguments[1], "canary") == 0) {
		pthread_t other;

		hand_init(&server, 14);
		uc_region_read(&map, server.region, HAND_REGION_BYTES, page);
		uc_ring_init(&ring, server.region, uc_region_ring(&map, UC_RING_DATA, 1),
			     UC_MAP_WRITE_BACK, staging, &sequence);
		uc_ring_start(&ring, HAND_SESSION, 0);
		pthread_create(&other, NULL, produce, NULL);
		for (uint32_t i = 0; i < RECORDS; i++)
			uc_ring_drop(&ring, UC_RECORD_FILE_OPEN, UC_LOSS_RATE_LIMITED);
		return 0;
	}
	tap_run("a ring between two threads", a_ring_between_two_threads);
	tap_run("a ring with checksums between two threads",
		a_ring_with_checksums_between_two_threads);
	tap_run("a limiter between two threads", a_limiter_between_two_threads);
	return tap_end();
}
