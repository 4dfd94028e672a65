/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * From a finished record into the right ring: a data ring a CPU, a shared one for the CPUs beyond,
 * a priority ring for all. The spin lock of a ring keeps a writer on its CPU, makes many writers
 * one producer, and is the gate as well: between sessions a ring is stopped and loses what it gets.
 */
#include "undercroft.h"
#include "../core/uc_link.h"

/* In front of the data lanes, which stand in CPU order. */
#define PRIORITY_LANE 0u

struct lane {
	struct uc_ring ring;
	KSPIN_LOCK lock;
	bool placed;
	/* Where frames with a checksum are built; made when first needed, then kept. */
	uint8_t *staging;
	uint32_t staging_bytes;
};

struct uc_sequence uc_sequence;

static struct uc_losses losses;
/* Never freed while the driver is loaded, so that a late writer finds a lane that loses. */
static struct lane lanes[UC_DIRECTORY_MAX];
static uint32_t data_lanes = 1;
static uint32_t payload_max = UC_RECORD_BYTES_MAX;
static bool is_open;
static bool leaving;

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_init(void)
{
	uint32_t i;

	for (i = 0; i < UC_DIRECTORY_MAX; i++)
		KeInitializeSpinLock(&lanes[i].lock);
	uc_emit_reset();
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_reset(void)
{
	uint32_t i;
	KIRQL irql;

	for (i = 0; i < UC_DIRECTORY_MAX; i++) {
		irql = KeAcquireSpinLockRaiseToDpc(&lanes[i].lock);
		memset(&lanes[i].ring, 0, sizeof(lanes[i].ring));
		lanes[i].ring.sequence_source = &uc_sequence;
		lanes[i].placed = false;
		KeReleaseSpinLock(&lanes[i].lock, irql);
	}
	memset(&losses, 0, sizeof(losses));
	uc_counter_store(&uc_sequence.last, 0);
	leaving = false;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void uc_emit_lose(uint16_t type, uint32_t reason)
{
	uc_losses_add(&losses, &uc_sequence, type, reason);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
uint32_t uc_emit_payload_max(void)
{
	return payload_max;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static struct lane *lane_for(enum uc_urgency urgency)
{
	const uint32_t last = data_lanes;
	uint32_t cpu;

	if (urgency == UC_PRIORITY)
		return &lanes[PRIORITY_LANE];
	cpu = KeGetCurrentProcessorNumberEx(NULL);
	return &lanes[1 + cpu < last ? 1 + cpu : last];
}

_IRQL_requires_max_(DISPATCH_LEVEL)
bool uc_emit(enum uc_urgency urgency, uint16_t type, uint16_t flags, const void *payload,
	     uint32_t bytes)
{
	bool written = false;
	bool doorbell = false;
	struct lane *lane;
	KIRQL irql;

	if (uc_pre_ring_keep(urgency, type, flags, payload, bytes))
		return true;
	/* ORDER: acquire; pairs with the release in uc_emit_open(), after which rings are whole. */
	if (!__atomic_load_n(&is_open, __ATOMIC_ACQUIRE)) {
		uc_emit_lose(type, leaving ? UC_LOSS_SHUTDOWN : UC_LOSS_NOT_READY);
		return false;
	}
	lane = lane_for(urgency);
	irql = KeAcquireSpinLockRaiseToDpc(&lane->lock);
	written = uc_ring_write(&lane->ring, type, flags, payload, bytes, true, &doorbell);
	KeReleaseSpinLock(&lane->lock, irql);
	return written;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_close(void)
{
	uint32_t i;
	KIRQL irql;

	/* ORDER: whoever saw it open either has its lane's lock, or finds the ring stopped. */
	__atomic_store_n(&is_open, false, __ATOMIC_RELEASE);
	for (i = 0; i < UC_DIRECTORY_MAX; i++) {
		irql = KeAcquireSpinLockRaiseToDpc(&lanes[i].lock);
		if (lanes[i].placed)
			uc_ring_stop(&lanes[i].ring);
		KeReleaseSpinLock(&lanes[i].lock, irql);
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_set_leaving(void)
{
	leaving = true;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_free(void)
{
	uint32_t i;

	for (i = 0; i < UC_DIRECTORY_MAX; i++) {
		if (lanes[i].staging)
			ExFreePoolWithTag(lanes[i].staging, UC_POOL_TAG);
		lanes[i].staging = NULL;
	}
}

/* A smaller staging buffer of an earlier place keeps bounding the ring: no writer waits for us. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static int start_lane(struct lane *lane, const struct uc_link *link,
		      const struct uc_ring_place *place)
{
	KIRQL irql;
	int error;

	if (!place)
		return -1;
	if (!lane->staging && (link->hello.features_accepted & UC_FEATURE_CRC32C)) {
		lane->staging = ExAllocatePoolWithTag(NonPagedPoolNx, place->payload_bytes_max,
						      UC_POOL_TAG);
		if (!lane->staging)
			return -1;
		lane->staging_bytes = place->payload_bytes_max;
	}
	irql = KeAcquireSpinLockRaiseToDpc(&lane->lock);
	if (!lane->placed)
		uc_ring_init(&lane->ring, link->region, place, link->hello.map_kind, lane->staging,
			     &uc_sequence);
	else
		uc_ring_place(&lane->ring, link->region, place);
	if (lane->staging && lane->ring.payload_bytes_max > lane->staging_bytes)
		lane->ring.payload_bytes_max = lane->staging_bytes;
	lane->placed = true;
	error = uc_ring_start(&lane->ring, link->session.session_id, link->session.features);
	KeReleaseSpinLock(&lane->lock, irql);
	if (!error && lane->ring.payload_bytes_max < payload_max)
		payload_max = lane->ring.payload_bytes_max;
	return error;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
int uc_emit_open(const struct uc_link *link)
{
	const uint32_t rings = uc_region_data_rings(&link->map);
	uint32_t i;

	if (!rings || rings >= UC_DIRECTORY_MAX)
		return -1;
	payload_max = UC_RECORD_BYTES_MAX;
	if (start_lane(&lanes[PRIORITY_LANE], link,
		       uc_region_ring(&link->map, UC_RING_PRIORITY, 0)))
		return -1;
	for (i = 0; i < rings; i++) {
		if (start_lane(&lanes[1 + i], link, uc_region_ring(&link->map, UC_RING_DATA, i)))
			return -1;
	}
	data_lanes = rings;
	/* ORDER: release; pairs with uc_emit(). */
	__atomic_store_n(&is_open, true, __ATOMIC_RELEASE);
	return 0;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_tick(void)
{
	uint32_t i;
	KIRQL irql;

	for (i = 0; i <= data_lanes; i++) {
		irql = KeAcquireSpinLockRaiseToDpc(&lanes[i].lock);
		uc_ring_tick(&lanes[i].ring);
		KeReleaseSpinLock(&lanes[i].lock, irql);
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_add_losses(struct uc_status *status)
{
	uint32_t i;

	uc_losses_add_to(&losses, status);
	for (i = 0; i < UC_DIRECTORY_MAX; i++) {
		if (lanes[i].placed)
			uc_ring_add_losses(&lanes[i].ring, status);
	}
}
