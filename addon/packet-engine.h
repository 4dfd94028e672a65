/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet thread of a redirector: mirrors interfaces into packet rings and forwards between a
 * guest's tap and its uplink. Pure C11, no Node. Called by packet.cc and the C tests, from one
 * thread; what touches a slot runs on the packet thread, which a caller waits for.
 */
#ifndef UC_ADDON_PACKET_ENGINE_H
#define UC_ADDON_PACKET_ENGINE_H

#include <stdint.h>

#include "drain.h"

#ifdef __cplusplus
extern "C" {
#endif

#define UC_PACKET_SLOTS_MAX UC_DIRECTORY_MAX

/* SO_MARK of what inline mode sends to a guest; lib/native PACKET_MARK. */
#define UC_PACKET_MARK 0x756e6463u

/* 64-bit words in the order in which lib/native/packet-engine.ts reads them. */
struct uc_packet_counts {
	/* UC_REDIRECT_RUNNING, _STOPPED, _GONE */
	uint64_t state;
	/* UC_REDIRECT_MIRROR, _INLINE */
	uint64_t mode;
	uint64_t interface_index;
	/* Positive errno that led to the state. */
	uint64_t error;
	uint64_t seen;
	uint64_t kept;
	uint64_t shortened;
	uint64_t lost_kernel;
	uint64_t lost_ring;
	uint64_t dropped;
	uint64_t forwarded;
	uint64_t seen_bytes;
	uint64_t kept_bytes;
};

struct uc_packet_engine;

struct uc_packet_engine_config {
	void *region;
	uint64_t region_bytes;
	/* Packet rings by lane, at most UC_PACKET_SLOTS_MAX. */
	const struct uc_placement *rings;
	uint32_t ring_count;
	uint32_t record_bytes_max;
};

/* The region must outlive the engine. 0, -EINVAL when a ring does not fit, or another -errno. */
int uc_packet_engine_open(struct uc_packet_engine **engine,
			  const struct uc_packet_engine_config *config);
/* Ends the thread and everything it held. */
void uc_packet_engine_close(struct uc_packet_engine *engine);

/* An eventfd that is written to when a slot's interface went away. Belongs to the engine. */
int uc_packet_engine_fd(const struct uc_packet_engine *engine);

/* 0 or -errno. Without a session every packet counts as lost. */
int uc_packet_session_start(struct uc_packet_engine *engine, uint32_t session_id,
			    uint64_t features);
void uc_packet_session_end(struct uc_packet_engine *engine);

struct uc_packet_source {
	uint32_t slot;
	uint32_t lane;
	uint32_t mode;
	uint32_t snap_bytes;
	const char *name;
	/* Inline mode. */
	const char *uplink;
};

/* 0 or -errno: -ENODEV no such interface, -EBUSY slot or lane in use, -ENOENT no such lane. */
int uc_packet_add(struct uc_packet_engine *engine, const struct uc_packet_source *add);

/* Replaces the rules of an inline slot. 0, or -errno as uc_verdict_make(), -ENOENT, -ENOTSUP. */
int uc_packet_rules(struct uc_packet_engine *engine, uint32_t slot, const uint8_t *rules,
		    uint64_t bytes);

/* Ends a slot after reading what the kernel holds of it. 0 with the last counts, or -ENOENT. */
int uc_packet_remove(struct uc_packet_engine *engine, uint32_t slot,
		     struct uc_packet_counts *counts);

/* 0 or -ENOENT. */
int uc_packet_status(struct uc_packet_engine *engine, uint32_t slot,
		     struct uc_packet_counts *counts);

#ifdef __cplusplus
}
#endif

#endif /* UC_ADDON_PACKET_ENGINE_H */
