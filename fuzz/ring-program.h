/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns fuzzer input into what a guest does to a ring: a program of eight-byte steps, most of
 * which write good frames, so that the interesting broken ones lie deep inside good rings. Used by
 * drain-fuzz.c. Input whose first byte has the top bit set is taken as raw ring bytes instead.
 */
#ifndef UC_FUZZ_RING_PROGRAM_H
#define UC_FUZZ_RING_PROGRAM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../guest-drivers/wire/uc_wire.h"

/* What must never be false, whatever the guest does; fuzz.ts looks for these words. */
#define must(condition)                                                                     \
	do {                                                                                \
		if (!(condition)) {                                                         \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__,       \
				#condition);                                                \
			abort();                                                            \
		}                                                                           \
	} while (0)

#define RING_CAPACITY_LOG2 12u
#define RING_CAPACITY (1u << RING_CAPACITY_LOG2)
#define RING_RECORD_BYTES_MAX (RING_CAPACITY / 8)
#define RING_PRODUCER_OFFSET 0u
#define RING_CONSUMER_OFFSET 4096u
/* Last in its allocation, so that the sanitizer sees a read behind the ring's end. */
#define RING_OFFSET 8192u
#define REGION_BYTES (RING_OFFSET + RING_CAPACITY)

struct step {
	uint8_t action;
	uint8_t small;
	uint16_t medium;
	uint32_t large;
};

/* The guest, as far as it remembers what it does. */
struct guest {
	uint8_t *region;
	uint64_t cursor;
	uint32_t sequence;
	uint32_t session_id;
	uint64_t features;
};

enum action {
	ACTION_RECORD,
	ACTION_RECORD_AND_PUBLISH,
	ACTION_BROKEN_RECORD,
	ACTION_FLIP,
	ACTION_PAD,
	ACTION_PUBLISH,
	ACTION_LIE,
	ACTION_DRAIN,
	ACTION_DRAIN_ALL,
	ACTION_SESSION,
	ACTION_LOST,
	ACTION_SKIP,
	ACTION_COUNT
};

/* The definition, bit by bit: shares nothing with the code under test. */
static inline uint32_t crc32c_bitwise(uint32_t crc, const uint8_t *data, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0x82f63b78u & -(crc & 1));
	}
	return crc;
}

static inline uint32_t right_check(const struct uc_frame *frame, const uint8_t *payload,
				   uint32_t session_id, uint64_t features)
{
	struct uc_frame covered = *frame;

	if (!(features & UC_FEATURE_CRC32C))
		return session_id ^ (frame->sequence * UC_CHECK_MULTIPLIER);
	covered.check = session_id;
	uint32_t crc = crc32c_bitwise(0xffffffffu, (const uint8_t *)&covered, sizeof(covered));
	if (frame->type != UC_RECORD_PAD)
		crc = crc32c_bitwise(crc, payload, frame->length);
	return ~crc;
}

static inline uint32_t ring_position(const struct guest *guest)
{
	return (uint32_t)(guest->cursor & (RING_CAPACITY - 1));
}

/* Writes as much of the frame as fits before the ring's end. */
static inline void put_frame(struct guest *guest, const struct uc_frame *frame,
			     const uint8_t *payload)
{
	const uint32_t position = ring_position(guest);
	const uint32_t room = RING_CAPACITY - position - UC_FRAME_BYTES;
	uint8_t *at = guest->region + RING_OFFSET + position;

	memcpy(at, frame, sizeof(*frame));
	if (payload)
		memcpy(at + UC_FRAME_BYTES, payload, frame->length < room ? frame->length : room);
	guest->cursor += UC_FRAME_BYTES + ((uint64_t)frame->length + 15) / 16 * 16;
}

static inline void put_pad(struct guest *guest)
{
	struct uc_frame frame = { .type = UC_RECORD_PAD };

	frame.length = RING_CAPACITY - ring_position(guest) - UC_FRAME_BYTES;
	frame.check = right_check(&frame, NULL, guest->session_id, guest->features);
	put_frame(guest, &frame, NULL);
}

/* A good record; length at most the ring's own limit plus a little. */
static inline void put_record(struct guest *guest, uint16_t type, uint16_t flags,
			      const uint8_t *payload, uint32_t length)
{
	struct uc_frame frame = { .length = length, .type = type, .flags = flags };

	if (ring_position(guest) + UC_FRAME_BYTES + (length + 15) / 16 * 16 > RING_CAPACITY)
		put_pad(guest);
	frame.sequence = ++guest->sequence;
	frame.check = right_check(&frame, payload, guest->session_id, guest->features);
	put_frame(guest, &frame, payload);
}

/* A record with one of its words overwritten; half of them carry the check that fits the rest. */
static inline void put_broken(struct guest *guest, const struct step *step, const uint8_t *payload)
{
	struct uc_frame frame = { .length = step->medium % RING_RECORD_BYTES_MAX, .type = 0x0101 };

	frame.sequence = ++guest->sequence;
	frame.check = right_check(&frame, payload, guest->session_id, guest->features);
	memcpy((uint8_t *)&frame + (step->small % 4) * 4, &step->large, sizeof(step->large));
	if (step->small & 0x40 && frame.length <= RING_CAPACITY)
		frame.check = right_check(&frame, payload, guest->session_id, guest->features);
	put_frame(guest, &frame, payload);
}

static inline void put_lost(struct guest *guest, const struct step *step)
{
	struct uc_lost lost = { .reason = step->small,
				.count = (uint64_t)step->large << (step->medium % 33) };

	put_record(guest, UC_RECORD_LOST, 0, (const uint8_t *)&lost, step->medium % 33);
}

static inline void store_tail(struct guest *guest, uint64_t tail)
{
	__atomic_store_n((uint64_t *)(guest->region + RING_PRODUCER_OFFSET), tail,
			 __ATOMIC_RELEASE);
}

#endif /* UC_FUZZ_RING_PROGRAM_H */
