/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading end of one ring: copies a span of hostile shared memory once, checks the private
 * copy, and hands out where the records lie in it. Pure C11, no Node, no allocation, no abort.
 * Called by consumer.cc, the C tests, the fuzzer and the benchmarks. One thread a consumer.
 */
#ifndef UC_ADDON_DRAIN_H
#define UC_ADDON_DRAIN_H

#include <stdint.h>

#include "../guest-drivers/wire/uc_wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers per record: payload offset in the batch, length, type | flags << 16, sequence. */
#define UC_RECORD_STRIDE 4u
#define UC_BATCH_BYTES_DEFAULT 0x40000u
#define UC_EVIDENCE_BYTES_MAX 256u

/* Indexes into the consumer's stats; lib/model/ring.ts CONSUMER_STAT, held equal by test/addon. */
#define UC_CONSUMER_DELIVERED 0u
#define UC_CONSUMER_BYTES 1u
#define UC_CONSUMER_MISSING 2u
#define UC_CONSUMER_NAMED 3u
#define UC_CONSUMER_LOST_FRAMES 4u
#define UC_CONSUMER_PADS 5u
#define UC_CONSUMER_FAULTS 6u
#define UC_CONSUMER_HEAD 7u
#define UC_CONSUMER_LAST_SEQUENCE 8u
#define UC_CONSUMER_STATS 9u

/* Where a ring lies in its region, from the server's private plan, never from the region. */
struct uc_placement {
	uint64_t ring_offset;
	uint64_t producer_offset;
	uint64_t consumer_offset;
	uint32_t capacity_log2;
};

/* All memory but the region is private and belongs to the caller for the consumer's life. */
struct uc_consumer_config {
	void *region;
	uint64_t region_bytes;
	/* Set by the SIGBUS guard when the region is gone; may be NULL for memory that cannot go. */
	const uint32_t *region_failed;
	struct uc_placement placement;
	uint32_t record_bytes_max;
	uint8_t *batch;
	/* A power of two that holds the largest record with its frame. */
	uint32_t batch_bytes;
	uint32_t records_max;
	uint32_t *records;
	uint64_t *stats;
};

struct uc_consumer {
	struct uc_consumer_config config;
	const uint8_t *ring;
	const uint64_t *tail_word;
	uint64_t *head_word;
	uint64_t capacity;
	uint64_t head;
	uint32_t record_bytes_max;
	uint32_t session_id;
	uint32_t previous_session_id;
	uint32_t last_sequence;
	uint32_t crc;
	uint32_t started;
	/* A resumed session takes its first sequence as it comes. */
	uint32_t resumed;
	/* Latched UC_E_*, 0 when none: nothing is read from the region until a new session. */
	uint32_t fault;
	uint32_t evidence_bytes;
	/* The first bytes of the frame that broke a rule. */
	uint8_t evidence[UC_EVIDENCE_BYTES_MAX];
};

/* Is the placement inside the region, page-aligned and of a permitted capacity? */
int uc_placement_valid(const struct uc_placement *placement, uint64_t region_bytes);

/* 0, or -1 when the configuration contradicts itself; the region is not touched. */
int uc_consumer_init(struct uc_consumer *consumer, const struct uc_consumer_config *config);

/* Clears an earlier fault. head: 0, or a position to resume at, which is checked like the rest. */
void uc_consumer_start_session(struct uc_consumer *consumer, uint32_t session_id,
			       uint32_t previous_session_id, uint64_t features, uint64_t head);

/*
 * Records in batch and records, 0 when the ring is empty or no session runs, or -UC_E_*.
 * Good records in front of a broken frame are returned first, the fault by all later calls.
 */
int32_t uc_consumer_drain(struct uc_consumer *consumer);

#ifdef __cplusplus
}
#endif

#endif /* UC_ADDON_DRAIN_H */
