// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * From a sensor into the right ring: one data ring a CPU without a lock, a shared one for the CPUs
 * beyond, a priority ring under a lock. A writer keeps interrupts off from begin to end, which
 * makes the CPU's ring its own and lets the gate close by waiting for one RCU grace period.
 */
#include <linux/cpu.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include "../core/uc_link.h"
#include "undercroft.h"

/* In one translation unit with their only hot callers, or every event pays for a dozen calls. */
#include "../core/uc_encode.c"
#include "../core/uc_ring.c"

struct uc_lane {
	struct uc_ring ring;
	spinlock_t lock;
	/* More than one CPU writes here, so the lock counts. */
	bool shared;
	u64 ticked_at;
	u8 *staging;
} ____cacheline_aligned;

struct uc_sequence uc_sequence;

static struct uc_losses losses;
static bool gate_is_open;
static bool leaving;

/* Lanes of data rings in CPU order; the priority lane is the last one. */
static struct uc_lane *lanes;
static unsigned int lane_count;
static struct uc_ring_place places[UC_DIRECTORY_MAX];

void uc_emit_count_reentry(u16 type)
{
	uc_losses_add(&losses, &uc_sequence, type, UC_LOSS_REENTRY);
}

static struct uc_lane *lane_for(enum uc_urgency urgency)
{
	if (urgency == UC_PRIORITY)
		return &lanes[lane_count - 1];
	return &lanes[min_t(unsigned int, smp_processor_id(), lane_count - 2)];
}

__attribute__((flatten)) bool uc_emit_begin(struct uc_emit *emit, enum uc_urgency urgency, u16 type,
		   const struct uc_event_header *header, const void *body, u32 field_bytes)
{
	struct uc_lane *lane;

	local_irq_save(emit->irq_flags);
	/* ORDER: acquire; pairs with the release in uc_emit_open(), after which lanes are whole. */
	if (unlikely(!smp_load_acquire(&gate_is_open))) {
		local_irq_restore(emit->irq_flags);
		uc_losses_add(&losses, &uc_sequence, type,
			      READ_ONCE(leaving) ? UC_LOSS_SHUTDOWN : UC_LOSS_NOT_READY);
		return false;
	}
	lane = lane_for(urgency);
	emit->lane = lane;
	if (lane->shared)
		spin_lock(&lane->lock);
	if (likely(uc_record_begin(&emit->record, &lane->ring, type, header, body, field_bytes)))
		return true;
	if (lane->shared)
		spin_unlock(&lane->lock);
	local_irq_restore(emit->irq_flags);
	return false;
}

__attribute__((flatten)) void uc_emit_end(struct uc_emit *emit)
{
	/* Published at once: it costs a fence, where a timer on an idle CPU would cost a wake-up. */
	bool ring = uc_record_end(&emit->record, true);

	if (emit->lane->shared)
		spin_unlock(&emit->lane->lock);
	/* Before interrupts are on again: the gate's grace period covers the register too. */
	if (unlikely(ring))
		uc_doorbell_ring();
	local_irq_restore(emit->irq_flags);
}

__attribute__((flatten)) void uc_emit_text(struct uc_emit *emit, u16 field,
					   const struct uc_text *text)
{
	uc_record_field(&emit->record, field, text->bytes, text->length, text->truncated);
}

bool uc_emit_plain(enum uc_urgency urgency, u16 type, const void *body)
{
	struct uc_event_header header;
	struct uc_emit emit;

	uc_identity_fill(&header, current);
	if (!uc_emit_begin(&emit, urgency, type, &header, body, 0))
		return false;
	uc_emit_end(&emit);
	return true;
}

void uc_emit_close(void)
{
	WRITE_ONCE(gate_is_open, false);
	/* Whoever saw it open has interrupts off, and that holds up the grace period. */
	synchronize_rcu();
}

void uc_emit_set_leaving(void)
{
	WRITE_ONCE(leaving, true);
}

void uc_emit_reset(void)
{
	uc_counter_store(&uc_sequence.last, 0);
	memset(&losses, 0, sizeof(losses));
	WRITE_ONCE(leaving, false);
}

void uc_emit_free(void)
{
	unsigned int i;

	for (i = 0; i < lane_count; i++)
		kvfree(lanes[i].staging);
	kvfree(lanes);
	lanes = NULL;
	lane_count = 0;
}

/* What rings of an older geometry lost stays lost: move it to the counters without a ring. */
static void fold_losses(void)
{
	struct uc_status sum = {};
	unsigned int i;

	for (i = 0; i < lane_count; i++)
		uc_ring_add_losses(&lanes[i].ring, &sum);
	for (i = 0; i < ARRAY_SIZE(losses.lost); i++)
		uc_atomic_fetch_add_u64(&losses.lost[i], sum.lost[i]);
}

static int make_lanes(const struct uc_link *link)
{
	unsigned int data = uc_region_data_rings(&link->map), i;

	fold_losses();
	uc_emit_free();
	lanes = kvcalloc(data + 1, sizeof(*lanes), GFP_KERNEL);
	if (!lanes)
		return -ENOMEM;
	lane_count = data + 1;
	for (i = 0; i < lane_count; i++) {
		bool priority = i == data;
		const struct uc_ring_place *place =
			uc_region_ring(&link->map, priority ? UC_RING_PRIORITY : UC_RING_DATA,
				       priority ? 0 : i);

		if (!place)
			return -EINVAL;
		if (link->hello.features_accepted & UC_FEATURE_CRC32C) {
			lanes[i].staging = kvmalloc(place->payload_bytes_max, GFP_KERNEL);
			if (!lanes[i].staging)
				return -ENOMEM;
		}
		spin_lock_init(&lanes[i].lock);
		lanes[i].shared = priority || (i == data - 1 && nr_cpu_ids > data);
		uc_ring_init(&lanes[i].ring, link->region, place, link->hello.map_kind,
			     lanes[i].staging, &uc_sequence);
	}
	memcpy(places, link->map.rings, sizeof(places));
	return 0;
}

int uc_emit_open(const struct uc_link *link)
{
	unsigned int i;
	int error;

	if (!uc_region_data_rings(&link->map))
		return -EINVAL;
	if (!lanes || memcmp(places, link->map.rings, sizeof(places))) {
		error = make_lanes(link);
		if (error) {
			uc_emit_free();
			return error;
		}
	}
	for (i = 0; i < lane_count; i++) {
		if (uc_ring_start(&lanes[i].ring, link->session.session_id, link->session.features))
			return -EINVAL;
		lanes[i].ticked_at = 0;
	}
	/* ORDER: release; pairs with uc_emit_begin(). */
	smp_store_release(&gate_is_open, true);
	return 0;
}

static void tick_here(void *data)
{
	struct uc_lane *lane = data;
	unsigned long flags;
	bool ring;

	local_irq_save(flags);
	if (lane->shared)
		spin_lock(&lane->lock);
	ring = uc_ring_tick(&lane->ring);
	if (lane->shared)
		spin_unlock(&lane->lock);
	if (ring)
		uc_doorbell_ring();
	local_irq_restore(flags);
}

void uc_emit_tick(void)
{
	unsigned int i;

	if (!gate_is_open)
		return;
	cpus_read_lock();
	for (i = 0; i < lane_count; i++) {
		struct uc_lane *lane = &lanes[i];
		u64 attempted = READ_ONCE(lane->ring.attempted);

		/* A CPU that wrote nothing is not woken. */
		if (attempted == lane->ticked_at && !READ_ONCE(lane->ring.pending_mask))
			continue;
		lane->ticked_at = attempted;
		if (lane->shared || i >= nr_cpu_ids || !cpu_online(i) ||
		    smp_call_function_single(i, tick_here, lane, true))
			tick_here(lane);
	}
	cpus_read_unlock();
}

void uc_emit_add_losses(struct uc_status *status)
{
	unsigned int i;

	uc_losses_add_to(&losses, status);
	for (i = 0; i < lane_count; i++)
		uc_ring_add_losses(&lanes[i].ring, status);
}
