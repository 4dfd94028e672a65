/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Record building over a cursor that only moves forward. Called through uc_encode.h. Every length
 * is bounded by the room that was reserved; what does not fit is cut and flagged, never dropped
 * silently.
 */
#include "uc_encode.h"

#define HEADER_BYTES ((uint32_t)sizeof(struct uc_event_header))
#define FIELD_HEAD_BYTES ((uint32_t)sizeof(struct uc_field))

uint32_t uc_body_bytes(uint16_t type)
{
	switch (type) {
	case UC_RECORD_PROCESS_FORK:
		return sizeof(struct uc_process_fork);
	case UC_RECORD_PROCESS_EXEC:
	case UC_RECORD_PROCESS_EXISTING:
		return sizeof(struct uc_process_exec);
	case UC_RECORD_PROCESS_EXIT:
		return sizeof(struct uc_process_exit);
	case UC_RECORD_PROCESS_HASH:
		return sizeof(struct uc_process_hash);
	case UC_RECORD_IMAGE_LOAD:
		return sizeof(struct uc_image_load);
	case UC_RECORD_REMOTE_THREAD:
		return sizeof(struct uc_remote_thread);
	case UC_RECORD_VERDICT:
		return sizeof(struct uc_verdict);
	case UC_RECORD_COMMAND_RESULT:
		return sizeof(struct uc_command_result);
	case UC_RECORD_UNREGISTER:
		return sizeof(struct uc_unregister);
	case UC_RECORD_CLOCK:
		return sizeof(struct uc_clock);
	case UC_RECORD_VOLUME:
		return sizeof(struct uc_volume);
	case UC_RECORD_MODULE_LOAD:
	case UC_RECORD_MODULE_UNLOAD:
		return sizeof(struct uc_module_event);
	case UC_RECORD_REDIRECT_STATUS:
		return sizeof(struct uc_redirect_status);
	case UC_RECORD_BLOCK_RULE:
		return sizeof(struct uc_block_rule);
	default:
		break;
	}
	if (type >= UC_RECORD_FILE_CREATE && type <= UC_RECORD_FILE_DELETE)
		return sizeof(struct uc_file_event);
	if (type >= UC_RECORD_KEY_CREATE && type <= UC_RECORD_VALUE_DELETE)
		return sizeof(struct uc_registry_event);
	if (type >= UC_RECORD_SOCKET_CONNECT && type <= UC_RECORD_DNS_QUERY)
		return sizeof(struct uc_socket_event);
	return UC_BODY_NONE;
}

static void open_record(struct uc_record *record, struct uc_ring *ring, uint8_t *payload,
			uint32_t capacity, uint64_t sequence)
{
	memset(record, 0, sizeof(*record));
	record->ring = ring;
	record->payload = payload;
	record->capacity = capacity;
	record->sequence = sequence;
}

static void put_fixed(struct uc_record *record, const struct uc_event_header *header,
		      const void *body, uint32_t body_bytes)
{
	const size_t after = sizeof(header->sequence);

	uc_region_copy(record->payload, &record->sequence, after);
	uc_region_copy(record->payload + after, (const uint8_t *)header + after,
		       HEADER_BYTES - after);
	uc_region_copy(record->payload + HEADER_BYTES, body, body_bytes);
	record->used = HEADER_BYTES + body_bytes;
}

bool uc_record_begin(struct uc_record *record, struct uc_ring *ring, uint16_t type,
		     const struct uc_event_header *header, const void *body,
		     uint32_t field_bytes_max)
{
	const uint32_t body_bytes = uc_body_bytes(type);
	uint32_t capacity;
	uint32_t room;
	uint8_t *payload;

	if (body_bytes == UC_BODY_NONE) {
		uc_ring_drop(ring, type, UC_LOSS_ENCODE_ERROR);
		return false;
	}
	/* Header and largest body are far below the smallest ring's limit. */
	capacity = HEADER_BYTES + body_bytes;
	room = ring->payload_bytes_max > capacity ? ring->payload_bytes_max - capacity : 0;
	capacity += field_bytes_max < room ? field_bytes_max : room;
	payload = (uint8_t *)uc_ring_reserve(ring, type, capacity);
	if (!payload)
		return false;
	open_record(record, ring, payload, capacity, uc_ring_reserved_sequence(ring));
	put_fixed(record, header, body, body_bytes);
	return true;
}

bool uc_record_begin_buffer(struct uc_record *record, void *buffer, uint32_t buffer_bytes,
			    uint16_t type, const struct uc_event_header *header, const void *body)
{
	const uint32_t body_bytes = uc_body_bytes(type);

	if (body_bytes == UC_BODY_NONE || buffer_bytes < HEADER_BYTES + body_bytes)
		return false;
	open_record(record, NULL, (uint8_t *)buffer, buffer_bytes, header->sequence);
	put_fixed(record, header, body, body_bytes);
	return true;
}

static void mark_truncated(struct uc_record *record)
{
	record->frame_flags = UC_FRAME_TRUNCATED;
	record->fields_truncated++;
}

void *uc_record_field_reserve(struct uc_record *record, uint16_t field_type, uint32_t bytes_max,
			      uint32_t *room)
{
	uint32_t left = (record->capacity - record->used) & ~(UC_FIELD_ALIGN - 1);

	if (left < FIELD_HEAD_BYTES || (left == FIELD_HEAD_BYTES && bytes_max > 0)) {
		mark_truncated(record);
		*room = 0;
		return NULL;
	}
	left -= FIELD_HEAD_BYTES;
	record->field_type = field_type;
	record->field_room = bytes_max < left ? bytes_max : left;
	*room = record->field_room;
	return record->payload + record->used + FIELD_HEAD_BYTES;
}

void uc_record_field_commit(struct uc_record *record, uint32_t count, bool truncated)
{
	static const uint8_t zeros[UC_FIELD_ALIGN];
	uint8_t *at = record->payload + record->used;
	const uint32_t bytes = count < record->field_room ? count : record->field_room;
	const uint32_t whole = uc_field_bytes(bytes);
	struct uc_field field;

	if (truncated || bytes < count) {
		truncated = true;
		mark_truncated(record);
	}
	field.type = record->field_type;
	field.flags = truncated ? UC_FIELD_FLAG_TRUNCATED : 0;
	field.length = bytes;
	uc_region_copy(at, &field, sizeof(field));
	uc_region_copy(at + FIELD_HEAD_BYTES + bytes, zeros, whole - FIELD_HEAD_BYTES - bytes);
	record->used += whole;
	record->field_room = 0;
}

void uc_record_field(struct uc_record *record, uint16_t field_type, const void *bytes,
		     uint32_t count, bool truncated)
{
	uint32_t room;
	void *target = uc_record_field_reserve(record, field_type, count, &room);

	if (!target)
		return;
	uc_region_copy(target, bytes, room);
	uc_record_field_commit(record, count, truncated);
}

bool uc_record_end(struct uc_record *record, bool urgent)
{
	struct uc_ring *ring = record->ring;

	if (record->fields_truncated)
		uc_counter_store(&ring->fields_truncated,
				 ring->fields_truncated + record->fields_truncated);
	return uc_ring_commit(ring, record->used, record->frame_flags, urgent);
}

uint32_t uc_record_end_buffer(struct uc_record *record, uint16_t *frame_flags)
{
	*frame_flags = record->frame_flags;
	return record->used;
}

void uc_record_abort(struct uc_record *record)
{
	uc_ring_abort(record->ring, UC_LOSS_ENCODE_ERROR);
}

bool uc_record_put(struct uc_ring *ring, uint16_t type, const struct uc_event_header *header,
		   const void *body, bool urgent, bool *doorbell)
{
	struct uc_record record;

	if (!uc_record_begin(&record, ring, type, header, body, 0))
		return false;
	if (uc_record_end(&record, urgent))
		*doorbell = true;
	return true;
}
