/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Builds one record: event header, the fixed body of its kind, variable fields. Straight into a
 * ring (uc_record_begin) or into a private buffer (uc_record_begin_buffer); the calls between
 * begin and end are the same. Called by drivers; must not read back what it wrote.
 *
 *   if (uc_record_begin(&record, ring, UC_RECORD_PROCESS_EXEC, &header, &exec,
 *                       uc_field_bytes(path_bytes) + uc_field_bytes(argument_bytes))) {
 *           uc_record_field(&record, UC_FIELD_PATH, path, path_bytes, false);
 *           to = uc_record_field_reserve(&record, UC_FIELD_ARGUMENTS, argument_bytes, &room);
 *           ...
 *           uc_record_field_commit(&record, copied, copied < argument_bytes);
 *           doorbell = uc_record_end(&record, true);
 *   }
 *
 * Serialisation is the ring's: begin..end is one reservation.
 */
#ifndef UC_ENCODE_H
#define UC_ENCODE_H

#include "uc_port.h"
#include "uc_ring.h"

#ifdef __cplusplus
extern "C" {
#endif

#define UC_BODY_NONE 0xffffffffu

/* Bytes of the fixed body of a record kind; UC_BODY_NONE for kinds without an event header. */
uint32_t uc_body_bytes(uint16_t type);

/* What a variable field of so many bytes takes in a record. */
static inline uint32_t uc_field_bytes(uint32_t bytes)
{
	return (uint32_t)sizeof(struct uc_field) +
	       ((bytes + (UC_FIELD_ALIGN - 1)) & ~(UC_FIELD_ALIGN - 1));
}

/* The record being built. Private to uc_encode.c, but on the caller's stack. */
struct uc_record {
	struct uc_ring *ring;
	uint8_t *payload;
	uint64_t sequence;
	uint32_t capacity;
	uint32_t used;
	uint32_t field_room;
	uint16_t field_type;
	uint16_t frame_flags;
	uint32_t fields_truncated;
};

/*
 * Opens a record in a ring. body has uc_body_bytes(type) bytes. header->sequence is ignored: the
 * ring gives it. field_bytes_max: upper bound of all fields, each with uc_field_bytes(); a bound
 * beyond the ring's limit is cut, and fields that then do not fit are truncated. False: the
 * record is lost and counted, and nothing else may be called for it.
 */
bool uc_record_begin(struct uc_record *record, struct uc_ring *ring, uint16_t type,
		     const struct uc_event_header *header, const void *body,
		     uint32_t field_bytes_max);

/*
 * Opens a record in private memory, 8-byte aligned; uc_record_end_buffer() gives its length and
 * uc_ring_write() sends it. False when header and body alone do not fit or the kind has no body.
 */
bool uc_record_begin_buffer(struct uc_record *record, void *buffer, uint32_t buffer_bytes,
			    uint16_t type, const struct uc_event_header *header, const void *body);

/*
 * Appends a field. What does not fit is cut off and flagged, both in the field and in the frame;
 * truncated: the caller cut it already. A field whose own head does not fit is left out.
 */
void uc_record_field(struct uc_record *record, uint16_t field_type, const void *bytes,
		     uint32_t count, bool truncated);

/*
 * Opens a field to be filled in place: returns where, and in *room how much, at most bytes_max;
 * NULL when nothing fits (the record is flagged). Must be followed by uc_record_field_commit()
 * before the next field.
 */
void *uc_record_field_reserve(struct uc_record *record, uint16_t field_type, uint32_t bytes_max,
			      uint32_t *room);
void uc_record_field_commit(struct uc_record *record, uint32_t count, bool truncated);

/* Commits a record in a ring. urgent publishes at once. True: ring the doorbell. */
bool uc_record_end(struct uc_record *record, bool urgent);

/* Bytes of a finished record in a buffer; *frame_flags is for uc_ring_write(). */
uint32_t uc_record_end_buffer(struct uc_record *record, uint16_t *frame_flags);

/* Gives up a record in a ring; it counts as UC_LOSS_ENCODE_ERROR. */
void uc_record_abort(struct uc_record *record);

/* A whole record without variable fields: exit, command result, clock. False: lost, counted. */
bool uc_record_put(struct uc_ring *ring, uint16_t type, const struct uc_event_header *header,
		   const void *body, bool urgent, bool *doorbell);

#ifdef __cplusplus
}
#endif

#endif /* UC_ENCODE_H */
