/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The guest's writing end of one data or priority ring, and the only code that writes frames.
 * Called by uc_encode.c and the drivers; it holds no lock, sleeps never, allocates nothing.
 *
 * Who serialises: every function that takes a `struct uc_ring *` is a producer's call and needs
 * the ring for itself: on a CPU's own ring, no preemption and no interrupt that writes to the
 * same ring; on a shared ring, a lock around reserve..commit. Exceptions are marked "any time".
 * A driver that can be re-entered drops the inner event with uc_losses_add(UC_LOSS_REENTRY).
 *
 * TRUST: ring memory is write-only here, because it may be write-combining and because the other
 * side can change it. All state is private; of the shared pages only the head is read.
 */
#ifndef UC_RING_H
#define UC_RING_H

#include "uc_port.h"
#include "uc_region.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Frames become visible at the latest when this many bytes wait, or a quarter of a small ring.
 * Each publish costs both sides a transfer of the tail's cache line, and keeps a waiting reader
 * right behind the writer; four times fewer tripled the rate of 1 KiB records.
 */
#define UC_PUBLISH_BYTES 16384u

/* Last global sequence given out in this attach; one for all rings, in guest-private memory. */
struct uc_sequence {
	uint64_t last;
};

static inline uint64_t uc_sequence_take(struct uc_sequence *sequence)
{
	return uc_atomic_fetch_add_u64(&sequence->last, 1) + 1;
}

/*
 * Index of a loss counter, as in the status page; what has no place of its own counts as class or
 * reason 0. No guest writes packets: without their class one 64-bit word has a bit for each index.
 */
static inline uint32_t uc_loss_index(uint32_t record_class, uint32_t reason)
{
	return (record_class < UC_CLASS_PACKET ? record_class : 0) * UC_LOSS_COUNT +
	       (reason < UC_LOSS_COUNT ? reason : 0);
}

/* Losses that never came near a ring: not ready, re-entered, shut down. Cumulative. */
struct uc_losses {
	uint64_t lost[UC_CLASS_COUNT * UC_LOSS_COUNT];
};

/*
 * Counts one record as lost without a ring: takes its global sequence, and no ring's. Any time,
 * any CPU, any context. Such losses appear in the status page only, never as a LOST frame.
 */
void uc_losses_add(struct uc_losses *losses, struct uc_sequence *sequence, uint16_t type,
		   uint32_t reason);

/* What is missing on a ring and not yet said in-band, for one class and reason. */
struct uc_pending_loss {
	uint64_t count;
	uint64_t first_sequence;
	uint64_t last_sequence;
};

struct uc_ring {
	/* Set by uc_ring_init(). */
	uint8_t *bytes;
	uint8_t *producer_page;
	const uint8_t *consumer_page;
	uint8_t *staging;
	struct uc_sequence *sequence_source;
	uint64_t capacity;
	uint64_t publish_bytes;
	uint32_t payload_bytes_max;
	bool write_back;

	/* Set by uc_ring_start(); positions run on without wrapping. */
	bool started;
	bool with_crc;
	bool with_doorbell;
	uint32_t session_id;
	uint32_t sequence;
	uint64_t tail;
	uint64_t published;
	/* The server's head as last read and found possible. */
	uint64_t head;
	uint64_t attempted;
	uint64_t dropped;

	/* The open reservation; reserved_type 0 when none. */
	uint64_t reserved_at;
	uint64_t reserved_sequence;
	uint32_t reserved_frame_sequence;
	uint32_t reserved_bytes;
	uint16_t reserved_type;

	/* Bit i: pending[i].count > 0. */
	uint64_t pending_mask;
	struct uc_pending_loss pending[UC_CLASS_COUNT * UC_LOSS_COUNT];

	/* Cumulative over sessions; readable any time with uc_counter_load(). */
	uint64_t lost[UC_CLASS_COUNT * UC_LOSS_COUNT];
	uint64_t records;
	uint64_t fields_truncated;
	/* Impossible heads that the server showed; each was taken for a full ring. */
	uint64_t server_faults;
};

/*
 * Ties a ring to its place. map_kind: UC_MAP_*, anything but write-back is fenced around each
 * publish. staging: private memory of place->payload_bytes_max bytes, 8-byte aligned, in which
 * records are built when frames carry a CRC; NULL where the driver does not accept
 * UC_FEATURE_CRC32C. Clears all counters. The ring is not started.
 */
void uc_ring_init(struct uc_ring *ring, void *region, const struct uc_ring_place *place,
		  uint32_t map_kind, void *staging, struct uc_sequence *sequence_source);

/*
 * Moves a ring to the place a new superblock gives it, between uc_ring_stop() and
 * uc_ring_start(); counters stay. payload_bytes_max never grows beyond the staging buffer.
 */
void uc_ring_place(struct uc_ring *ring, void *region, const struct uc_ring_place *place);

/*
 * Begins a session: position 0, ring sequence 0, nothing pending; cumulative counters stay.
 * features: what the session page grants. -1 when they ask for a CRC and there is no staging.
 * uc_link.c says when; no producer may be active.
 */
int uc_ring_start(struct uc_ring *ring, uint32_t session_id, uint64_t features);

/*
 * Ends the session: what is committed is published, then every record counts as
 * UC_LOSS_NOT_READY until the next uc_ring_start().
 * What is pending in-band stays counted in the status page. No producer may be active.
 */
void uc_ring_stop(struct uc_ring *ring);

/*
 * Takes both sequences, then looks for space for a payload of up to payload_bytes. Returns where
 * to write it (8-byte aligned, never to be read back), or NULL: the record is lost and counted.
 * One reservation at a time; uc_ring_commit() or uc_ring_abort() must follow a success.
 */
void *uc_ring_reserve(struct uc_ring *ring, uint16_t type, uint32_t payload_bytes);

/* The global sequence of the open reservation, which belongs into its event header; without one
 * open, that of the record just written or lost. */
static inline uint64_t uc_ring_reserved_sequence(const struct uc_ring *ring)
{
	return ring->reserved_sequence;
}

/*
 * Closes the reservation with the payload's true length, at most what was reserved. flags:
 * UC_FRAME_*. urgent publishes at once. True: ring the doorbell (only ever with that feature).
 */
bool uc_ring_commit(struct uc_ring *ring, uint32_t payload_bytes, uint16_t flags, bool urgent);

/* Gives the reservation up; the record counts as lost for that reason. */
void uc_ring_abort(struct uc_ring *ring, uint32_t reason);

/*
 * Reserve, copy and commit in one: for records encoded elsewhere. The payload opens with an event
 * header, whose sequence is filled in here on the way. False: the record is lost and counted.
 * *doorbell is set, never cleared.
 */
bool uc_ring_write(struct uc_ring *ring, uint16_t type, uint16_t flags, const void *payload,
		   uint32_t payload_bytes, bool urgent, bool *doorbell);

/* Counts a record that the driver decided to drop, e.g. UC_LOSS_RATE_LIMITED; takes sequences. */
void uc_ring_drop(struct uc_ring *ring, uint16_t type, uint32_t reason);

/* Makes everything committed visible. True: ring the doorbell. */
bool uc_ring_publish(struct uc_ring *ring);

/*
 * To be called about every millisecond while the ring has been written to, and with the
 * heartbeat: says pending losses in-band if there is space, publishes, refreshes the claims of
 * the producer page. True: ring the doorbell.
 */
bool uc_ring_tick(struct uc_ring *ring);

/* Adds this ring's and the ringless losses to a status page's table. Any time. */
void uc_ring_add_losses(const struct uc_ring *ring, struct uc_status *status);
void uc_losses_add_to(const struct uc_losses *losses, struct uc_status *status);

#ifdef __cplusplus
}
#endif

#endif /* UC_RING_H */
