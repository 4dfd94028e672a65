/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: a guest runs the input as a program while the drain reads its ring, and what
 * the drain says is held against what it must never say. Built by fuzz.ts: plain, with
 * UC_FUZZ_RACE (a second thread rewrites the ring meanwhile) and with UC_FUZZ_CANARY.
 */
#include <pthread.h>

#include "../addon/drain.h"
#include "ring-program.h"

#define RECORDS_MAX 64u
/* That of guest-drivers/wire/vectors, whose rings fuzz.ts turns into raw seeds. */
#define SESSION_ID 1582632977u

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static uint8_t *region;
static uint8_t region_before[REGION_BYTES];
static uint8_t pattern[RING_CAPACITY];
static uint64_t stats[UC_CONSUMER_STATS];
static struct uc_consumer consumer;
static uint8_t *batch;
static uint32_t *records;
static uint64_t drains;
static uint64_t spans;
static uint64_t delivered;

static void print_totals(void)
{
	fprintf(stderr, "totals: drains %llu spans %llu records %llu\n",
		(unsigned long long)drains, (unsigned long long)spans,
		(unsigned long long)delivered);
}

#ifdef UC_FUZZ_RACE
static uint32_t race_on;

/* Rewrites the ring as fast as it can. Its races with the drain are the test. */
static void *race(void *unused)
{
	uint64_t state = 88172645463325252ull;

	(void)unused;
	for (;;) {
		if (!__atomic_load_n(&race_on, __ATOMIC_ACQUIRE))
			continue;
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		volatile uint8_t *at = region + RING_OFFSET + (state >> 32) % RING_CAPACITY;
		*at = *at ^ (uint8_t)(1u << (state & 7));
		if ((state & 0xfff0) == 0) {
			volatile uint8_t *tail = region + RING_PRODUCER_OFFSET + (state >> 20) % 8;
			*tail = (uint8_t)(state >> 40);
		}
	}
	return NULL;
}

static void set_race(uint32_t on)
{
	__atomic_store_n(&race_on, on, __ATOMIC_RELEASE);
}
#else
static void set_race(uint32_t on)
{
	(void)on;
}
#endif

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	region = aligned_alloc(4096, REGION_BYTES);
	records = malloc(RECORDS_MAX * UC_RECORD_STRIDE * sizeof(*records));
	for (unsigned int i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + 1);
	atexit(print_totals);
#ifdef UC_FUZZ_RACE
	pthread_t thread;
	pthread_create(&thread, NULL, race, NULL);
#endif
	return 0;
}

/* The batch lies exactly sized in its own allocation, so that the sanitizer guards its end. */
static void open_consumer(uint32_t batch_log2, uint32_t records_max)
{
	struct uc_consumer_config config = { .region = region,
					     .region_bytes = REGION_BYTES,
					     .record_bytes_max = RING_RECORD_BYTES_MAX,
					     .batch_bytes = 1u << batch_log2,
					     .records_max = records_max,
					     .records = records,
					     .stats = stats };

	config.placement = (struct uc_placement){ .ring_offset = RING_OFFSET,
						  .producer_offset = RING_PRODUCER_OFFSET,
						  .consumer_offset = RING_CONSUMER_OFFSET,
						  .capacity_log2 = RING_CAPACITY_LOG2 };
	batch = malloc(config.batch_bytes);
	config.batch = batch;
	memset(region, 0, REGION_BYTES);
	memset(stats, 0, sizeof(stats));
	must(uc_consumer_init(&consumer, &config) == 0);
}

static void start_session(struct guest *guest, uint64_t features, uint64_t head)
{
	guest->features = features;
	guest->cursor = head;
	guest->sequence = 0;
	uc_consumer_start_session(&consumer, guest->session_id + 1, guest->session_id, features,
				  head);
	guest->session_id++;
}

/* Records lie side by side in the batch, each with a frame in front that says the same. */
static uint64_t check_records(const struct guest *guest, uint32_t count)
{
	uint64_t end = 0;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < count; i++) {
		const uint32_t *record = records + i * UC_RECORD_STRIDE;
		struct uc_frame frame;

		must(record[0] == end + UC_FRAME_BYTES);
		must(record[1] <= RING_RECORD_BYTES_MAX);
		end = record[0] + (record[1] + 15) / 16 * 16;
		must(end <= consumer.config.batch_bytes);
		memcpy(&frame, batch + record[0] - UC_FRAME_BYTES, sizeof(frame));
		must(frame.length == record[1]);
		must((frame.type | (uint32_t)frame.flags << 16) == record[2]);
		must(frame.sequence == record[3]);
		must(frame.type != UC_RECORD_INVALID && frame.type != UC_RECORD_PAD);
		must((frame.flags & ~UC_FRAME_FLAGS_KNOWN) == 0);
		must(frame.check == right_check(&frame, batch + record[0], guest->session_id,
						guest->features));
		must(i == 0 || record[3] - (record - UC_RECORD_STRIDE)[3] - 1 < 0x7fffffffu);
		bytes += record[1];
	}
	return bytes;
}

static void check_region_untouched(void)
{
#ifndef UC_FUZZ_RACE
	memcpy(region_before + RING_CONSUMER_OFFSET, region + RING_CONSUMER_OFFSET, 8);
	must(memcmp(region_before, region, REGION_BYTES) == 0);
#endif
}

static int32_t drain(struct guest *guest)
{
	uint64_t before[UC_CONSUMER_STATS];
	uint64_t tail;
	uint64_t shared_head;
	const uint64_t head = consumer.head;
	const uint32_t fault = consumer.fault;

	memcpy(before, stats, sizeof(before));
	memcpy(region_before, region, REGION_BYTES);
	memcpy(&tail, region + RING_PRODUCER_OFFSET, sizeof(tail));
	set_race(1);
	const int32_t count = uc_consumer_drain(&consumer);
	set_race(0);
	const uint64_t advanced = consumer.head - head;

	drains++;
	spans += advanced != 0 || count < 0;
	check_region_untouched();
	must(count <= (int32_t)consumer.config.records_max && count >= -(int32_t)UC_E_MAPPING);
	must(!fault || (count == -(int32_t)fault && advanced == 0));
	must(count >= 0 || count == -(int32_t)consumer.fault);
	must(advanced % UC_FRAME_ALIGN == 0 && advanced <= RING_CAPACITY);
	must(count <= 0 || advanced >= (uint64_t)count * UC_FRAME_BYTES);
#ifndef UC_FUZZ_RACE
	must(advanced == 0 || advanced <= tail - head);
	must(count != 0 || consumer.head == tail || !consumer.started);
#endif
	memcpy(&shared_head, region + RING_CONSUMER_OFFSET, sizeof(shared_head));
	must(advanced == 0 || shared_head == consumer.head);
	must(stats[UC_CONSUMER_HEAD] == consumer.head);
	must(stats[UC_CONSUMER_FAULTS] - before[UC_CONSUMER_FAULTS] == (!fault && consumer.fault));
	must(consumer.evidence_bytes <= UC_EVIDENCE_BYTES_MAX);
	if (count > 0) {
		delivered += (uint64_t)count;
		must(stats[UC_CONSUMER_DELIVERED] - before[UC_CONSUMER_DELIVERED] ==
		     (uint64_t)count);
		must(stats[UC_CONSUMER_BYTES] - before[UC_CONSUMER_BYTES] ==
		     check_records(guest, (uint32_t)count));
		must(stats[UC_CONSUMER_LAST_SEQUENCE] ==
		     records[(uint32_t)(count - 1) * UC_RECORD_STRIDE + 3]);
	}
	must(stats[UC_CONSUMER_NAMED] >= before[UC_CONSUMER_NAMED]);
	return count;
}

static void drain_all(struct guest *guest)
{
	for (uint32_t i = 0; i < RING_CAPACITY / UC_FRAME_BYTES; i++)
		if (drain(guest) <= 0)
			return;
	/* Only a racing tail can keep a drain busy for longer than the ring holds frames. */
#ifndef UC_FUZZ_RACE
	must(drain(guest) <= 0);
#endif
}

static void take_step(struct guest *guest, const struct step *step)
{
	const uint32_t length = step->medium % (RING_RECORD_BYTES_MAX + 8);
	const uint16_t flags = step->small & UC_FRAME_TRUNCATED;

	switch (step->action % ACTION_COUNT) {
	case ACTION_RECORD:
		put_record(guest, 0x0101 + (step->small >> 4), flags, pattern, length);
		break;
	case ACTION_RECORD_AND_PUBLISH:
		put_record(guest, 0x0201, flags, pattern, length);
		store_tail(guest, guest->cursor);
		break;
	case ACTION_BROKEN_RECORD:
		put_broken(guest, step, pattern);
		store_tail(guest, guest->cursor);
		break;
	case ACTION_FLIP:
		region[RING_OFFSET + step->medium % RING_CAPACITY] ^= step->small | 1;
		break;
	case ACTION_PAD:
		put_pad(guest);
		break;
	case ACTION_PUBLISH:
		store_tail(guest, guest->cursor);
		break;
	case ACTION_LIE:
		store_tail(guest, step->small & 1 ? guest->cursor + (int16_t)step->medium * 8 :
						    (uint64_t)step->large << (step->medium % 64));
		break;
	case ACTION_DRAIN:
		drain(guest);
		break;
	case ACTION_DRAIN_ALL:
		drain_all(guest);
		break;
	case ACTION_SESSION:
		start_session(guest, step->small & UC_FEATURE_CRC32C,
			      step->small & 2 ? (uint64_t)step->large * 8 : 0);
		break;
	case ACTION_LOST:
		put_lost(guest, step);
		break;
	case ACTION_SKIP:
		guest->sequence += step->large >> (step->small % 32);
		break;
	}
	guest->cursor &= ~(uint64_t)(UC_FRAME_ALIGN - 1);
}

/* First byte: top bit raw, then CRC, batch size and record limit. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest guest = { .region = region, .session_id = SESSION_ID - 1 };
	struct step step;

	if (size < 3)
		return 0;
	open_consumer(10 + (data[0] & 3), 1 + (data[0] >> 2 & 15) * 4);
	start_session(&guest, data[0] >> 6 & 1, 0);
	if (data[0] & 0x80) {
		const size_t bytes = size - 3 < RING_CAPACITY ? size - 3 : RING_CAPACITY;
		memcpy(region + RING_OFFSET, data + 3, bytes);
		store_tail(&guest, (uint64_t)(data[1] | data[2] << 8) * UC_FRAME_ALIGN);
	} else {
		for (size_t at = 1; at + sizeof(step) <= size; at += sizeof(step)) {
			memcpy(&step, data + at, sizeof(step));
			take_step(&guest, &step);
		}
	}
	drain_all(&guest);
	free(batch);
	return 0;
}

/* Half of the mutations move whole steps, so that programs keep their meaning. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	const size_t count = size > 0 ? (size - 1) / sizeof(struct step) : 0;
	const uint64_t random = seed * 6364136223846793005ull + 1442695040888963407ull;
	uint8_t *steps = data + 1;

	if ((random >> 33 & 1) || count < 2 || size + sizeof(struct step) > max_size)
		return LLVMFuzzerMutate(data, size, max_size);
	const size_t one = (random >> 34) % count;
	const size_t other = (random >> 44) % count;
	uint8_t *at = steps + one * sizeof(struct step);
	switch (random >> 60 & 3) {
	case 0:
		memmove(at + sizeof(struct step), at, size - (size_t)(at - data));
		return size + sizeof(struct step);
	case 1:
		memmove(at, at + sizeof(struct step), size - (size_t)(at - data) - sizeof(struct step));
		return size - sizeof(struct step);
	case 2:
		memcpy(at, steps + other * sizeof(struct step), sizeof(struct step));
		return size;
	default:
		at[0] = (uint8_t)((random >> 50) % ACTION_COUNT);
		return size;
	}
}
