/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the server writes commands into a ring while its guest stores whatever it
 * likes as its head. The guest has an honest reader beside the lies: what it takes must be what
 * was written, and the server must never write over bytes that an honest head still needs.
 */
#include "../addon/producer.h"
#include "ring-program.h"

#define BATCH_BYTES 4096u
#define RECORDS_MAX 64u

static uint8_t *region;
static uint8_t *batch;
static uint32_t records[RECORDS_MAX * UC_RECORD_STRIDE];
static uint8_t payload[RING_RECORD_BYTES_MAX];
static uint64_t consumer_stats[UC_CONSUMER_STATS];
static uint64_t producer_stats[UC_PRODUCER_STATS];
static uint64_t spans;

static void print_totals(void)
{
	fprintf(stderr, "totals: spans %llu\n", (unsigned long long)spans);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	region = aligned_alloc(4096, REGION_BYTES);
	batch = malloc(BATCH_BYTES);
	atexit(print_totals);
	return 0;
}

static void open_ring(struct uc_producer *producer, struct uc_consumer *reader)
{
	const struct uc_placement placement = { .ring_offset = RING_OFFSET,
						.producer_offset = RING_PRODUCER_OFFSET,
						.consumer_offset = RING_CONSUMER_OFFSET,
						.capacity_log2 = RING_CAPACITY_LOG2 };
	const struct uc_producer_config writing = { .region = region,
						    .region_bytes = REGION_BYTES,
						    .placement = placement,
						    .record_bytes_max = RING_RECORD_BYTES_MAX,
						    .stats = producer_stats };
	const struct uc_consumer_config reading = { .region = region,
						    .region_bytes = REGION_BYTES,
						    .placement = placement,
						    .record_bytes_max = RING_RECORD_BYTES_MAX,
						    .batch = batch,
						    .batch_bytes = BATCH_BYTES,
						    .records = records,
						    .records_max = RECORDS_MAX,
						    .stats = consumer_stats };

	memset(region, 0, REGION_BYTES);
	memset(producer_stats, 0, sizeof(producer_stats));
	memset(consumer_stats, 0, sizeof(consumer_stats));
	must(uc_producer_init(producer, &writing) == 0);
	must(uc_consumer_init(reader, &reading) == 0);
}

/* The payload of record n is its length and a run of bytes that begins with n. */
static void fill_payload(uint32_t sequence, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		payload[i] = (uint8_t)(sequence + i);
}

static void read_back(struct uc_consumer *reader, int is_honest)
{
	const int32_t count = uc_consumer_drain(reader);

	spans++;
	must(!is_honest || count >= 0);
	for (int32_t i = 0; i < count; i++) {
		const uint32_t *record = records + (uint32_t)i * UC_RECORD_STRIDE;

		fill_payload(record[3], record[1]);
		must(!is_honest || memcmp(payload, batch + record[0], record[1]) == 0);
	}
	must(!is_honest || consumer_stats[UC_CONSUMER_MISSING] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uc_producer producer;
	struct uc_consumer reader;
	struct step step;
	/* Until the guest stores a head that is not the reader's, the reader must see everything. */
	int is_honest = 1;

	if (size < 1)
		return 0;
	open_ring(&producer, &reader);
	uc_producer_start_session(&producer, 5, data[0] & UC_FEATURE_CRC32C);
	uc_consumer_start_session(&reader, 5, 4, data[0] & UC_FEATURE_CRC32C, 0);
	for (size_t at = 1; at + sizeof(step) <= size; at += sizeof(step)) {
		memcpy(&step, data + at, sizeof(step));
		const uint32_t length = step.medium % (RING_RECORD_BYTES_MAX + 1);

		switch (step.action % 6) {
		case 0:
		case 1: {
			fill_payload(producer.sequence + 1, length);
			const int32_t result =
				uc_producer_write(&producer, 0x0f01, 0, payload, length);
			must(result == 1 || result == 0 || result == -(int32_t)UC_E_HEAD_RANGE);
			must(!is_honest || result >= 0);
			break;
		}
		case 2:
			uc_producer_publish(&producer);
			break;
		case 3:
		case 4:
			read_back(&reader, is_honest);
			break;
		case 5: {
			const uint64_t head = (uint64_t)step.large << (step.small % 64);

			is_honest &= head == reader.head;
			memcpy(region + RING_CONSUMER_OFFSET, &head, sizeof(head));
			break;
		}
		}
		must(producer.tail - producer.head <= RING_CAPACITY);
		must(producer.published - producer.head <= producer.tail - producer.head);
		must(producer_stats[UC_PRODUCER_TAIL] == producer.tail);
	}
	uc_producer_publish(&producer);
	read_back(&reader, is_honest);
	return 0;
}
