/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Frames, positions and loss of one ring; uc_ring.h says who may call what. Full means drop the
 * newest and count it: overwriting would let a burst erase what came before it.
 */
#include "uc_ring.h"

#include "uc_crc32c.h"

#define LOST_FRAME_BYTES (UC_FRAME_BYTES + (uint32_t)sizeof(struct uc_lost))

static uint64_t align_frame(uint64_t bytes)
{
	return (bytes + (UC_FRAME_ALIGN - 1)) & ~(uint64_t)(UC_FRAME_ALIGN - 1);
}

static uint32_t class_of(uint16_t type)
{
	return (uint32_t)type >> 8;
}

static void add_counter(uint64_t *counter, uint64_t amount)
{
	uc_counter_store(counter, *counter + amount);
}

/* The bit number of the lowest set bit; mask is not zero. */
static uint32_t lowest_bit(uint64_t mask)
{
	return (uint32_t)__builtin_ctzll(mask);
}

void uc_losses_add(struct uc_losses *losses, struct uc_sequence *sequence, uint16_t type,
		   uint32_t reason)
{
	uc_sequence_take(sequence);
	uc_atomic_fetch_add_u64(&losses->lost[uc_loss_index(class_of(type), reason)], 1);
}

void uc_losses_add_to(const struct uc_losses *losses, struct uc_status *status)
{
	uint32_t i;

	for (i = 0; i < UC_CLASS_COUNT * UC_LOSS_COUNT; i++)
		status->lost[i] += uc_counter_load(&losses->lost[i]);
}

void uc_ring_add_losses(const struct uc_ring *ring, struct uc_status *status)
{
	uint32_t i;

	for (i = 0; i < UC_CLASS_COUNT * UC_LOSS_COUNT; i++)
		status->lost[i] += uc_counter_load(&ring->lost[i]);
	status->fields_truncated += uc_counter_load(&ring->fields_truncated);
}

void uc_ring_init(struct uc_ring *ring, void *region, const struct uc_ring_place *place,
		  uint32_t map_kind, void *staging, struct uc_sequence *sequence_source)
{
	memset(ring, 0, sizeof(*ring));
	ring->staging = (uint8_t *)staging;
	ring->sequence_source = sequence_source;
	ring->write_back = map_kind == UC_MAP_WRITE_BACK;
	ring->payload_bytes_max = place->payload_bytes_max;
	uc_ring_place(ring, region, place);
}

void uc_ring_place(struct uc_ring *ring, void *region, const struct uc_ring_place *place)
{
	uint8_t *base = (uint8_t *)region;

	ring->bytes = base + place->ring_offset;
	ring->producer_page = base + place->producer_offset;
	ring->consumer_page = base + place->consumer_offset;
	ring->capacity = 1ull << place->capacity_log2;
	ring->publish_bytes = ring->capacity / 4 < UC_PUBLISH_BYTES ? ring->capacity / 4 :
								      UC_PUBLISH_BYTES;
	if (!ring->staging || place->payload_bytes_max < ring->payload_bytes_max)
		ring->payload_bytes_max = place->payload_bytes_max;
}

int uc_ring_start(struct uc_ring *ring, uint32_t session_id, uint64_t features)
{
	uint8_t *page = ring->producer_page;

	if ((features & UC_FEATURE_CRC32C) && !ring->staging)
		return -1;
	ring->with_crc = (features & UC_FEATURE_CRC32C) != 0;
	ring->with_doorbell = (features & UC_FEATURE_DOORBELL) != 0;
	ring->session_id = session_id;
	ring->sequence = 0;
	ring->tail = 0;
	ring->published = 0;
	ring->head = 0;
	ring->attempted = 0;
	ring->dropped = 0;
	ring->reserved_type = UC_RECORD_INVALID;
	ring->pending_mask = 0;
	memset(ring->pending, 0, sizeof(ring->pending));
	uc_store_u64(page + offsetof(struct uc_ring_producer, tail), 0);
	uc_store_u64(page + offsetof(struct uc_ring_producer, attempted), 0);
	uc_store_u64(page + offsetof(struct uc_ring_producer, dropped), 0);
	uc_store_fence();
	ring->started = true;
	return 0;
}

void uc_ring_stop(struct uc_ring *ring)
{
	/* What was committed counts as written, so the server must come to see it. */
	if (ring->started)
		uc_ring_publish(ring);
	ring->started = false;
	ring->reserved_type = UC_RECORD_INVALID;
	ring->pending_mask = 0;
	memset(ring->pending, 0, sizeof(ring->pending));
}

/* A frame's ring sequence; dropped frames take one too, so that the reader sees the hole. */
static uint32_t take_frame_sequence(struct uc_ring *ring)
{
	ring->attempted++;
	return ++ring->sequence;
}

/* The frame has its ring sequence already; says where it went. */
static void lose(struct uc_ring *ring, uint16_t type, uint32_t reason, uint64_t global)
{
	const uint32_t index = uc_loss_index(class_of(type), reason);
	struct uc_pending_loss *pending = &ring->pending[index];

	ring->dropped++;
	add_counter(&ring->lost[index], 1);
	if (pending->count == 0)
		pending->first_sequence = global;
	pending->count++;
	pending->last_sequence = global;
	ring->pending_mask |= 1ull << index;
}

void uc_ring_drop(struct uc_ring *ring, uint16_t type, uint32_t reason)
{
	const uint64_t global = uc_sequence_take(ring->sequence_source);

	if (ring->reserved_type == UC_RECORD_INVALID)
		ring->reserved_sequence = global;
	if (!ring->started) {
		add_counter(&ring->lost[uc_loss_index(class_of(type), UC_LOSS_NOT_READY)], 1);
		return;
	}
	take_frame_sequence(ring);
	lose(ring, type, reason, global);
}

/* Where a frame of so many bytes starts if the previous one ends at position: it never crosses
 * the end of the ring. */
static uint64_t frame_start(const struct uc_ring *ring, uint64_t position, uint64_t frame_bytes)
{
	const uint64_t to_end = ring->capacity - (position & (ring->capacity - 1));

	return frame_bytes <= to_end ? position : position + to_end;
}

/*
 * TRUST: the head is the other side's word. One that runs backwards, or ahead of what was
 * published, is counted and ignored; space is then what the last possible head left.
 * ORDER: acquire; pairs with the drain's store of head, after which it reads that space no more.
 */
static void refresh_head(struct uc_ring *ring)
{
	const uint64_t head = uc_load_u64(ring->consumer_page);

	if (head - ring->head > ring->published - ring->head || head % UC_FRAME_ALIGN != 0)
		add_counter(&ring->server_faults, 1);
	else
		ring->head = head;
}

static bool has_space(struct uc_ring *ring, uint64_t end)
{
	if (end - ring->head <= ring->capacity)
		return true;
	refresh_head(ring);
	return end - ring->head <= ring->capacity;
}

static void write_frame(struct uc_ring *ring, uint64_t position, struct uc_frame *frame,
			const void *private_payload, uint32_t covered_bytes)
{
	uint32_t crc;

	if (ring->with_crc) {
		frame->check = ring->session_id;
		crc = uc_crc32c_update(UC_CRC32C_START, frame, sizeof(*frame));
		crc = uc_crc32c_update(crc, private_payload, covered_bytes);
		frame->check = uc_crc32c_end(crc);
	} else {
		frame->check = ring->session_id ^ (frame->sequence * UC_CHECK_MULTIPLIER);
	}
	uc_region_copy(ring->bytes + (position & (ring->capacity - 1)), frame, sizeof(*frame));
}

/* Fills up to `end`, where the ring ends. The payload of a PAD is left as it is. */
static void write_pad(struct uc_ring *ring, uint64_t end)
{
	struct uc_frame frame;

	memset(&frame, 0, sizeof(frame));
	frame.length = (uint32_t)(end - ring->tail) - UC_FRAME_BYTES;
	frame.type = UC_RECORD_PAD;
	write_frame(ring, ring->tail, &frame, NULL, 0);
	ring->tail = end;
}

/* Space for it has been found. */
static void write_lost(struct uc_ring *ring, uint32_t index)
{
	const uint64_t start = frame_start(ring, ring->tail, LOST_FRAME_BYTES);
	struct uc_pending_loss *pending = &ring->pending[index];
	struct uc_frame frame;
	struct uc_lost lost;

	if (start != ring->tail)
		write_pad(ring, start);
	lost.reason = index % UC_LOSS_COUNT;
	lost.record_class = index / UC_LOSS_COUNT;
	lost.count = pending->count;
	lost.first_sequence = pending->first_sequence;
	lost.last_sequence = pending->last_sequence;
	frame.length = sizeof(lost);
	frame.type = UC_RECORD_LOST;
	frame.flags = 0;
	frame.sequence = take_frame_sequence(ring);
	uc_region_copy(ring->bytes + (start & (ring->capacity - 1)) + UC_FRAME_BYTES, &lost,
		       sizeof(lost));
	write_frame(ring, start, &frame, &lost, sizeof(lost));
	ring->tail = start + LOST_FRAME_BYTES;
	memset(pending, 0, sizeof(*pending));
	ring->pending_mask &= ~(1ull << index);
}

/* Names what is pending, but only together with the frame that follows: LOST frames alone would
 * eat a nearly full ring. Returns where that frame starts, or false for no space. */
static bool find_space(struct uc_ring *ring, uint64_t frame_bytes, uint64_t *start)
{
	uint64_t position = ring->tail;
	uint64_t mask;

	for (mask = ring->pending_mask; mask; mask &= mask - 1)
		position = frame_start(ring, position, LOST_FRAME_BYTES) + LOST_FRAME_BYTES;
	position = frame_start(ring, position, frame_bytes);
	if (!has_space(ring, position + frame_bytes))
		return false;
	while (ring->pending_mask)
		write_lost(ring, lowest_bit(ring->pending_mask));
	*start = position;
	return true;
}

void *uc_ring_reserve(struct uc_ring *ring, uint16_t type, uint32_t payload_bytes)
{
	const uint64_t frame_bytes = UC_FRAME_BYTES + align_frame(payload_bytes);
	uint64_t start;

	if (!ring->started) {
		uc_ring_drop(ring, type, UC_LOSS_NOT_READY);
		return NULL;
	}
	if (payload_bytes > ring->payload_bytes_max) {
		uc_ring_drop(ring, type, UC_LOSS_TOO_BIG);
		return NULL;
	}
	if (!find_space(ring, frame_bytes, &start)) {
		uc_ring_drop(ring, type, UC_LOSS_FULL);
		return NULL;
	}
	ring->reserved_at = start;
	ring->reserved_bytes = payload_bytes;
	ring->reserved_type = type;
	ring->reserved_sequence = uc_sequence_take(ring->sequence_source);
	ring->reserved_frame_sequence = take_frame_sequence(ring);
	if (ring->with_crc)
		return ring->staging;
	return ring->bytes + (start & (ring->capacity - 1)) + UC_FRAME_BYTES;
}

bool uc_ring_commit(struct uc_ring *ring, uint32_t payload_bytes, uint16_t flags, bool urgent)
{
	static const uint8_t zeros[UC_FRAME_ALIGN];
	const uint32_t bytes =
		payload_bytes < ring->reserved_bytes ? payload_bytes : ring->reserved_bytes;
	const uint64_t padded = align_frame(bytes);
	uint8_t *payload;
	struct uc_frame frame;

	if (ring->reserved_type == UC_RECORD_INVALID)
		return false;
	if (ring->reserved_at != ring->tail)
		write_pad(ring, ring->reserved_at);
	payload = ring->bytes + (ring->reserved_at & (ring->capacity - 1)) + UC_FRAME_BYTES;
	if (ring->with_crc)
		uc_region_copy(payload, ring->staging, bytes);
	uc_region_copy(payload + bytes, zeros, (size_t)(padded - bytes));
	frame.length = bytes;
	frame.type = ring->reserved_type;
	frame.flags = flags;
	frame.sequence = ring->reserved_frame_sequence;
	write_frame(ring, ring->reserved_at, &frame, ring->staging, bytes);
	ring->tail = ring->reserved_at + UC_FRAME_BYTES + padded;
	ring->reserved_type = UC_RECORD_INVALID;
	add_counter(&ring->records, 1);
	if (urgent || ring->tail - ring->published >= ring->publish_bytes)
		return uc_ring_publish(ring);
	return false;
}

void uc_ring_abort(struct uc_ring *ring, uint32_t reason)
{
	if (ring->reserved_type == UC_RECORD_INVALID)
		return;
	lose(ring, ring->reserved_type, reason, ring->reserved_sequence);
	ring->reserved_type = UC_RECORD_INVALID;
}

bool uc_ring_write(struct uc_ring *ring, uint16_t type, uint16_t flags, const void *payload,
		   uint32_t payload_bytes, bool urgent, bool *doorbell)
{
	const size_t after = sizeof(ring->reserved_sequence);
	uint8_t *target;

	if (payload_bytes < sizeof(struct uc_event_header)) {
		uc_ring_drop(ring, type, UC_LOSS_ENCODE_ERROR);
		return false;
	}
	target = (uint8_t *)uc_ring_reserve(ring, type, payload_bytes);
	if (!target)
		return false;
	/* The event header opens with the global sequence. */
	uc_region_copy(target, &ring->reserved_sequence, after);
	uc_region_copy(target + after, (const uint8_t *)payload + after, payload_bytes - after);
	/* One field at least; the record does not say how many. */
	if (flags & UC_FRAME_TRUNCATED)
		add_counter(&ring->fields_truncated, 1);
	if (uc_ring_commit(ring, payload_bytes, flags, urgent))
		*doorbell = true;
	return true;
}

bool uc_ring_publish(struct uc_ring *ring)
{
	const uint64_t before = ring->published;
	uint64_t wake_at;

	if (ring->tail == before)
		return false;
	/* ORDER: frames before the tail that covers them: a release store on write-back memory, and
	 * fences on every other mapping. Pairs with the drain's load of tail. */
	if (!ring->write_back)
		uc_store_fence();
	uc_store_u64(ring->producer_page, ring->tail);
	if (!ring->write_back)
		uc_store_fence();
	ring->published = ring->tail;
	if (!ring->with_doorbell)
		return false;
	/* ORDER: tail is visible before wake_at is read; pairs with the consumer's store of
	 * wake_at, full fence, last look at tail. One of the two sees the other. */
	uc_full_fence();
	wake_at = uc_load_u64(ring->consumer_page + offsetof(struct uc_ring_consumer, wake_at));
	return ring->tail - wake_at < ring->tail - before;
}

bool uc_ring_tick(struct uc_ring *ring)
{
	uint8_t *page = ring->producer_page;
	uint64_t end;

	if (!ring->started)
		return false;
	while (ring->pending_mask && ring->reserved_type == UC_RECORD_INVALID) {
		end = frame_start(ring, ring->tail, LOST_FRAME_BYTES) + LOST_FRAME_BYTES;
		if (!has_space(ring, end))
			break;
		write_lost(ring, lowest_bit(ring->pending_mask));
	}
	uc_store_u64(page + offsetof(struct uc_ring_producer, attempted), ring->attempted);
	uc_store_u64(page + offsetof(struct uc_ring_producer, dropped), ring->dropped);
	return uc_ring_publish(ring);
}
