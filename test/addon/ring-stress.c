/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's real producer core against the server's drain, without Node: as threads for the
 * sanitizers, with a thread that rewrites the ring, and as a producer process for Node. Built and
 * run by ring-stress.test.ts. Prints one JSON object; exit 0 only if all sums agree.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../../addon/drain.h"
#include "uc_ring.h"

#define REGION_BYTES (1u << 20)
#define RING_OFFSET 65536u
#define PRODUCER_OFFSET 16384u
#define CONSUMER_OFFSET 20480u
#define CAPACITY_LOG2 14u
#define RECORD_BYTES_MAX 1024u
#define SESSION_ID 77u
#define RECORDS_MAX 256u
#define BATCH_BYTES 4096u
#define FAULTS_MIN 100u

struct totals {
	uint64_t records;
	uint64_t lost;
	uint32_t sum;
};

struct work {
	uint8_t *region;
	uint64_t count;
	uint64_t features;
	struct totals produced;
};

static uint32_t produced_all;
static uint32_t stop_race;

static uint32_t sum_words(const uint8_t *bytes, uint32_t length)
{
	uint32_t sum = 0;
	uint32_t word;

	/* The global sequence in front is filled in by the ring. */
	for (uint32_t at = 8; at + 4 <= length; at += 4) {
		memcpy(&word, bytes + at, sizeof(word));
		sum += word;
	}
	return sum;
}

static void *produce(void *argument)
{
	static uint8_t staging[RECORD_BYTES_MAX] __attribute__((aligned(8)));
	static struct uc_ring ring;
	struct work *work = argument;
	struct uc_sequence sequence = { 0 };
	const struct uc_ring_place place = { .kind = UC_RING_DATA,
					     .capacity_log2 = CAPACITY_LOG2,
					     .payload_bytes_max = RECORD_BYTES_MAX,
					     .producer_offset = PRODUCER_OFFSET,
					     .consumer_offset = CONSUMER_OFFSET,
					     .ring_offset = RING_OFFSET };
	uint8_t payload[RECORD_BYTES_MAX];
	bool doorbell = false;

	uc_ring_init(&ring, work->region, &place, UC_MAP_WRITE_BACK, staging, &sequence);
	if (uc_ring_start(&ring, SESSION_ID, work->features) != 0)
		exit(2);
	for (uint64_t i = 0; i < work->count; i++) {
		const uint32_t length = 64 + (uint32_t)(i * 7 % 440);

		memset(payload, (int)(i & 0xff), length);
		memcpy(payload + 8, &i, sizeof(i));
		if (uc_ring_write(&ring, UC_RECORD_PROCESS_EXEC, 0, payload, length, i % 64 == 0,
				  &doorbell)) {
			work->produced.records++;
			work->produced.sum += sum_words(payload, length);
		} else {
			work->produced.lost++;
			sched_yield();
		}
	}
	/* The last losses are named once the reader has made space. */
	while (ring.pending_mask) {
		uc_ring_tick(&ring);
		sched_yield();
	}
	uc_ring_publish(&ring);
	__atomic_store_n(&produced_all, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Rewrites frames and tail for as long as it is let. Its races are the point, so the thread
 * sanitizer is kept out of it; the canary build lets it look, and it must cry out. */
#ifndef UC_STRESS_CANARY
__attribute__((no_sanitize("thread")))
#endif
static void *race(void *argument)
{
	uint8_t *region = argument;
	uint64_t state = 0x2545f4914f6cdd1dull;

	while (!__atomic_load_n(&stop_race, __ATOMIC_RELAXED)) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		volatile uint8_t *at = region + RING_OFFSET + (state >> 32) % (1u << CAPACITY_LOG2);
		*at = (uint8_t)state;
		if ((state & 0xffff00) == 0) {
			at = region + PRODUCER_OFFSET + (state >> 40) % 8;
			*at = (uint8_t)(state >> 50);
		}
	}
	return NULL;
}

static void open_consumer(struct uc_consumer *consumer, uint8_t *region)
{
	static uint32_t records[RECORDS_MAX * UC_RECORD_STRIDE];
	static uint64_t stats[UC_CONSUMER_STATS];
	const struct uc_consumer_config config = {
		.region = region,
		.region_bytes = REGION_BYTES,
		.placement = { .ring_offset = RING_OFFSET,
			       .producer_offset = PRODUCER_OFFSET,
			       .consumer_offset = CONSUMER_OFFSET,
			       .capacity_log2 = CAPACITY_LOG2 },
		.record_bytes_max = RECORD_BYTES_MAX,
		/* In its own allocation, so that the address sanitizer watches its end. */
		.batch = malloc(BATCH_BYTES),
		.batch_bytes = BATCH_BYTES,
		.records_max = RECORDS_MAX,
		.records = records,
		.stats = stats,
	};

	if (uc_consumer_init(consumer, &config) != 0)
		exit(2);
}

/* Every record lies inside the batch, or the sanitizer or this says so. */
static uint32_t sum_records(const struct uc_consumer *consumer, uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		const uint32_t *record = consumer->config.records + i * UC_RECORD_STRIDE;

		if (record[0] > BATCH_BYTES || record[1] > BATCH_BYTES - record[0])
			exit(3);
		if ((record[2] & 0xffff) != UC_RECORD_LOST)
			sum += sum_words(consumer->config.batch + record[0], record[1]);
	}
	return sum;
}

static int run_threads(uint8_t *region, struct work *work)
{
	struct uc_consumer consumer;
	struct totals read = { 0 };
	pthread_t producer;
	int32_t count;
	uint32_t was_done;

	open_consumer(&consumer, region);
	uc_consumer_start_session(&consumer, SESSION_ID, SESSION_ID - 1, work->features, 0);
	pthread_create(&producer, NULL, produce, work);
	do {
		/* ORDER: looked at before the drain, so that the last drain sees all. */
		was_done = __atomic_load_n(&produced_all, __ATOMIC_ACQUIRE);
		count = uc_consumer_drain(&consumer);
		if (count < 0) {
			fprintf(stderr, "fault %d\n", count);
			return 1;
		}
		read.sum += sum_records(&consumer, (uint32_t)count);
		if (count == 0)
			sched_yield();
	} while (count > 0 || !was_done);
	pthread_join(producer, NULL);
	const uint64_t *stats = consumer.config.stats;
	read.records = stats[UC_CONSUMER_DELIVERED] - stats[UC_CONSUMER_LOST_FRAMES];
	read.lost = stats[UC_CONSUMER_MISSING];
	printf("{\"records\":%llu,\"lost\":%llu,\"named\":%llu,\"pads\":%llu}\n",
	       (unsigned long long)read.records, (unsigned long long)read.lost,
	       (unsigned long long)stats[UC_CONSUMER_NAMED],
	       (unsigned long long)stats[UC_CONSUMER_PADS]);
	free(consumer.config.batch);
	return !(read.records == work->produced.records && read.sum == work->produced.sum &&
		 read.lost == work->produced.lost &&
		 stats[UC_CONSUMER_NAMED] == work->produced.lost);
}

static int run_race(uint8_t *region, struct work *work)
{
	struct uc_consumer consumer;
	pthread_t racer;
	uint64_t drains = 0;
	uint64_t faults = 0;

	open_consumer(&consumer, region);
	pthread_create(&racer, NULL, race, region);
	/* On a busy machine the racing thread may get its turn late. */
	while (drains < work->count || faults < FAULTS_MIN) {
		/* A good ring again, for the race to break. */
		struct work burst = { .region = region, .count = 30, .features = work->features };

		produce(&burst);
		uc_consumer_start_session(&consumer, SESSION_ID, SESSION_ID - 1, work->features, 0);
		for (int i = 0; i < 20; i++) {
			const int32_t count = uc_consumer_drain(&consumer);

			drains++;
			faults += count < 0;
			if (count <= 0)
				break;
			sum_records(&consumer, (uint32_t)count);
		}
	}
	__atomic_store_n(&stop_race, 1, __ATOMIC_RELAXED);
	pthread_join(racer, NULL);
	free(consumer.config.batch);
	printf("{\"drains\":%llu,\"faults\":%llu}\n", (unsigned long long)drains,
	       (unsigned long long)faults);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	struct work work = { .count = strtoull(argv[3], NULL, 10),
			     .features = strtoull(argv[4], NULL, 10) };
	const int fd = atoi(argv[2]);
	const int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	work.region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (work.region == MAP_FAILED)
		return 2;
	if (strcmp(argv[1], "threads") == 0)
		return run_threads(work.region, &work);
	if (strcmp(argv[1], "race") == 0)
		return run_race(work.region, &work);
	produce(&work);
	printf("{\"records\":%llu,\"lost\":%llu,\"sum\":%u}\n",
	       (unsigned long long)work.produced.records, (unsigned long long)work.produced.lost,
	       work.produced.sum);
	return 0;
}
