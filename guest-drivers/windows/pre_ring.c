/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the early sensors see between the load of the driver and the server's first word: the
 * minifilter starts at boot, the device behind the region later. A small buffer of finished
 * records; the newest are lost when it is full. It works once, and never again in one load.
 */
#include "undercroft.h"

#define PRE_RING_BYTES 131072u
#define ENTRY_ALIGN 8u

struct entry {
	uint32_t bytes;
	uint16_t type;
	uint16_t flags;
	uint32_t urgency;
	uint32_t reserved;
};

static KSPIN_LOCK lock;
static uint8_t *buffer;
static uint32_t used;
static bool keeping;
/* What found no room, by class: counted as lost when there is a session that can be told. */
static uint32_t overflowed[UC_CLASS_COUNT];

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_pre_ring_init(void)
{
	KeInitializeSpinLock(&lock);
	used = 0;
	memset(overflowed, 0, sizeof(overflowed));
	buffer = ExAllocatePoolWithTag(NonPagedPoolNx, PRE_RING_BYTES, UC_POOL_TAG);
	keeping = buffer != NULL;
	return buffer ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static uint8_t *take_buffer(uint32_t *bytes)
{
	uint8_t *taken;
	KIRQL irql;

	irql = KeAcquireSpinLockRaiseToDpc(&lock);
	keeping = false;
	taken = buffer;
	buffer = NULL;
	*bytes = used;
	used = 0;
	KeReleaseSpinLock(&lock, irql);
	return taken;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_pre_ring_exit(void)
{
	uint32_t bytes;
	uint8_t *taken = take_buffer(&bytes);

	if (taken)
		ExFreePoolWithTag(taken, UC_POOL_TAG);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
bool uc_pre_ring_keep(enum uc_urgency urgency, uint16_t type, uint16_t flags, const void *payload,
		      uint32_t bytes)
{
	const uint32_t whole = (uint32_t)sizeof(struct entry) +
			       ((bytes + (ENTRY_ALIGN - 1)) & ~(ENTRY_ALIGN - 1));
	struct entry entry = { bytes, type, flags, urgency, 0 };
	bool kept = false;
	KIRQL irql;

	/* The link's own words do not wait: nobody would listen later. */
	if (!keeping || type >> 8 == UC_CLASS_CONTROL)
		return false;
	irql = KeAcquireSpinLockRaiseToDpc(&lock);
	if (keeping) {
		kept = true;
		if (whole > PRE_RING_BYTES - used) {
			overflowed[type >> 8 < UC_CLASS_COUNT ? type >> 8 : 0]++;
		} else {
			memcpy(buffer + used, &entry, sizeof(entry));
			memcpy(buffer + used + sizeof(entry), payload, bytes);
			used += whole;
		}
	}
	KeReleaseSpinLock(&lock, irql);
	return kept;
}

/* The sensor that a record is of, as far as sensors run early. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static uint64_t sensor_of(uint16_t type)
{
	switch (type >> 8) {
	case UC_CLASS_MODULE:
		return UC_SENSOR_MODULE;
	case UC_CLASS_PROCESS:
		return type == UC_RECORD_IMAGE_LOAD ? UC_SENSOR_IMAGE : UC_SENSOR_PROCESS;
	default:
		return UC_SENSORS_ALL;
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_pre_ring_flush(uint64_t sensors)
{
	struct entry entry;
	uint32_t bytes;
	uint8_t *taken = take_buffer(&bytes);
	uint32_t at = 0;

	if (!taken)
		return;
	while (at + sizeof(entry) <= bytes) {
		memcpy(&entry, taken + at, sizeof(entry));
		at += sizeof(entry);
		if (sensors & sensor_of(entry.type))
			uc_emit((enum uc_urgency)entry.urgency, entry.type, entry.flags, taken + at,
				entry.bytes);
		at += (entry.bytes + (ENTRY_ALIGN - 1)) & ~(ENTRY_ALIGN - 1);
	}
	ExFreePoolWithTag(taken, UC_POOL_TAG);
	for (at = 0; at < UC_CLASS_COUNT; at++) {
		for (; overflowed[at]; overflowed[at]--)
			uc_emit_lose((uint16_t)(at << 8), UC_LOSS_NOT_READY);
	}
}
