/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes records into a ring that a hostile guest reads. The queue of record is the caller's:
 * a record that does not fit is refused whole and takes no sequence.
 */
#include "producer.h"

#include "crc32c.h"
#include "shared-memory.h"

static uint64_t align_frame(uint64_t bytes)
{
	return (bytes + (UC_FRAME_ALIGN - 1)) & ~(uint64_t)(UC_FRAME_ALIGN - 1);
}

int uc_producer_init(struct uc_producer *producer, const struct uc_producer_config *config)
{
	if (!uc_placement_valid(&config->placement, config->region_bytes) ||
	    config->record_bytes_max == 0)
		return -1;
	memset(producer, 0, sizeof(*producer));
	producer->config = *config;
	producer->capacity = 1ull << config->placement.capacity_log2;
	uint64_t limit = config->record_bytes_max;
	if (limit > UC_RECORD_BYTES_MAX)
		limit = UC_RECORD_BYTES_MAX;
	if (limit > producer->capacity / 8)
		limit = producer->capacity / 8;
	producer->record_bytes_max = (uint32_t)limit;
	uint8_t *region = config->region;
	producer->ring = region + config->placement.ring_offset;
	producer->tail_word = (uint64_t *)(region + config->placement.producer_offset);
	producer->head_word = (const uint64_t *)(region + config->placement.consumer_offset);
	return 0;
}

static void latch_fault(struct uc_producer *producer, uint32_t fault)
{
	producer->fault = fault;
	producer->config.stats[UC_PRODUCER_FAULTS]++;
}

void uc_producer_start_session(struct uc_producer *producer, uint32_t session_id,
			       uint64_t features)
{
	producer->session_id = session_id;
	producer->crc = (features & UC_FEATURE_CRC32C) != 0;
	producer->tail = 0;
	producer->published = 0;
	producer->head = 0;
	producer->sequence = 0;
	producer->fault = 0;
	producer->started = 1;
	producer->config.stats[UC_PRODUCER_TAIL] = 0;
	uc_shared_store(producer->tail_word, 0);
}

/* TRUST: the guest owns this word. It may only move forward, and not beyond what it can see. */
static void read_head(struct uc_producer *producer)
{
	const uint64_t head = uc_shared_load(producer->head_word);

	if (uc_region_failed(producer->config.region_failed))
		latch_fault(producer, UC_E_MAPPING);
	else if (head - producer->head > producer->published - producer->head ||
		 head % UC_FRAME_ALIGN != 0)
		latch_fault(producer, UC_E_HEAD_RANGE);
	else
		producer->head = head;
}

static uint64_t free_bytes(const struct uc_producer *producer)
{
	return producer->capacity - (producer->tail - producer->head);
}

static void write_frame(struct uc_producer *producer, struct uc_frame frame,
			const uint8_t *payload, uint32_t covered)
{
	static const uint8_t zeros[UC_FRAME_ALIGN];
	uint8_t *at = producer->ring + (producer->tail & (producer->capacity - 1));

	frame.check = producer->session_id ^ (frame.sequence * UC_CHECK_MULTIPLIER);
	if (producer->crc)
		frame.check = uc_frame_crc((const uint8_t *)&frame, producer->session_id, payload,
					   covered);
	uc_shared_copy_in(at, &frame, sizeof(frame));
	uc_shared_copy_in(at + UC_FRAME_BYTES, payload, covered);
	uc_shared_copy_in(at + UC_FRAME_BYTES + covered, zeros,
			  align_frame(covered) - covered);
	producer->tail += UC_FRAME_BYTES + align_frame(frame.length);
}

int32_t uc_producer_write(struct uc_producer *producer, uint16_t type, uint16_t flags,
			  const uint8_t *payload, uint32_t bytes)
{
	if (producer->fault)
		return -(int32_t)producer->fault;
	if (!producer->started)
		return 0;
	if (type == UC_RECORD_INVALID || type == UC_RECORD_PAD)
		return -(int32_t)UC_E_TYPE_ZERO;
	if (bytes > producer->record_bytes_max)
		return -(int32_t)UC_E_LEN_LIMIT;

	const uint64_t need = UC_FRAME_BYTES + align_frame(bytes);
	const uint64_t to_end = producer->capacity - (producer->tail & (producer->capacity - 1));
	const uint64_t total = need > to_end ? to_end + need : need;
	if (free_bytes(producer) < total) {
		read_head(producer);
		if (producer->fault)
			return -(int32_t)producer->fault;
	}
	if (free_bytes(producer) < total) {
		producer->config.stats[UC_PRODUCER_FULL]++;
		return 0;
	}
	if (need > to_end)
		write_frame(producer,
			    (struct uc_frame){ .length = (uint32_t)to_end - UC_FRAME_BYTES,
					       .type = UC_RECORD_PAD },
			    payload, 0);
	write_frame(producer,
		    (struct uc_frame){ .length = bytes,
				       .type = type,
				       .flags = flags,
				       .sequence = ++producer->sequence },
		    payload, bytes);
	producer->config.stats[UC_PRODUCER_WRITTEN]++;
	producer->config.stats[UC_PRODUCER_BYTES] += bytes;
	producer->config.stats[UC_PRODUCER_TAIL] = producer->tail;
	return 1;
}

void uc_producer_publish(struct uc_producer *producer)
{
	if (!producer->started || producer->fault)
		return;
	producer->published = producer->tail;
	uc_shared_store(producer->tail_word, producer->tail);
	read_head(producer);
}
