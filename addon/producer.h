/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's writing end of one ring: commands to a guest. Never reads back what it wrote; of
 * the guest's page it reads the head alone, and only to know the space. Pure C11, no Node.
 */
#ifndef UC_ADDON_PRODUCER_H
#define UC_ADDON_PRODUCER_H

#include <stdint.h>

#include "drain.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Indexes into the producer's stats; lib/model/ring.ts PRODUCER_STAT, held equal by test/addon. */
#define UC_PRODUCER_WRITTEN 0u
#define UC_PRODUCER_BYTES 1u
#define UC_PRODUCER_FULL 2u
#define UC_PRODUCER_FAULTS 3u
#define UC_PRODUCER_TAIL 4u
#define UC_PRODUCER_STATS 5u

struct uc_producer_config {
	void *region;
	uint64_t region_bytes;
	const uint32_t *region_failed;
	struct uc_placement placement;
	uint32_t record_bytes_max;
	uint64_t *stats;
};

struct uc_producer {
	struct uc_producer_config config;
	uint8_t *ring;
	uint64_t *tail_word;
	const uint64_t *head_word;
	uint64_t capacity;
	/* Written up to here; the guest may see up to `published`. */
	uint64_t tail;
	uint64_t published;
	/* The guest's head as last read and found possible. */
	uint64_t head;
	uint32_t record_bytes_max;
	uint32_t session_id;
	uint32_t sequence;
	uint32_t crc;
	uint32_t started;
	uint32_t fault;
};

/* 0, or -1 when the configuration contradicts itself; the region is not touched. */
int uc_producer_init(struct uc_producer *producer, const struct uc_producer_config *config);

void uc_producer_start_session(struct uc_producer *producer, uint32_t session_id,
			       uint64_t features);

/*
 * 1 written, 0 no space or no session, or -UC_E_* of the guest. The caller keeps type and length
 * within bounds; UC_E_LEN_LIMIT or UC_E_TYPE_ZERO say that it did not, and latch nothing.
 */
int32_t uc_producer_write(struct uc_producer *producer, uint16_t type, uint16_t flags,
			  const uint8_t *payload, uint32_t bytes);

void uc_producer_publish(struct uc_producer *producer);

#ifdef __cplusplus
}
#endif

#endif /* UC_ADDON_PRODUCER_H */
