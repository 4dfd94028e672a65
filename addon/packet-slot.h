/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One watched interface, as the packet thread holds it, and what mirror and inline mode share:
 * counts, and a packet's way into its ring. Private to packet-*.c; one thread at a time.
 */
#ifndef UC_ADDON_PACKET_SLOT_H
#define UC_ADDON_PACKET_SLOT_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "packet-engine.h"
#include "packet-verdict.h"
#include "uc_ring.h"

/* What a slot may do before the next one gets its turn. */
#define UC_TURN_BYTES 0x40000u
#define UC_TURN_PACKETS 128u

/* The kernel's capture ring of a mirrored interface: blocks that are handed over when full, or
 * after a while. A block must hold the largest packet of a virtual interface. */
#define UC_BLOCK_BYTES 0x40000u
#define UC_BLOCK_COUNT 32u
#define UC_BLOCK_RETIRE_MS 10u

/* Memory of a packet on its way through inline mode: 64 KiB of IP, its link layer, two tags, the
 * virtio-net header, and some room. */
#define UC_SCRATCH_BYTES (65536u + 128u)

struct uc_slot_mirror {
	uint8_t *blocks;
	uint32_t block;
	/* Within the block: packets still to be read, and where the next one lies. */
	uint32_t left;
	uint32_t offset;
};

struct uc_slot_inline {
	int uplink;
	/* A netlink socket for the uplink's own counts, its index, and frames its queue refused. */
	int netlink;
	uint32_t uplink_index;
	uint64_t uplink_dropped;
	struct uc_verdict_table *rules;
};

struct uc_slot {
	uint32_t id;
	uint32_t lane;
	uint32_t snap_bytes;
	int socket;
	/* More may be waiting than the last turn took. */
	bool active;
	struct uc_ring *ring;
	struct uc_packet_counts counts;
	struct uc_slot_mirror mirror;
	struct uc_slot_inline bridge;
};

/* A packet in private memory or in the kernel's ring, as it goes into the packet ring. */
struct uc_seen_packet {
	const uint8_t *bytes;
	/* What is there of it, and what there was; without the tag. */
	uint32_t captured_bytes;
	uint32_t original_bytes;
	uint64_t realtime_ns;
	uint32_t direction;
	uint32_t flags;
	/* An 802.1Q tag that the kernel took out of the frame: TPID and TCI, 0 when none. */
	uint32_t tag;
};

/* Counts a packet and copies it into the slot's ring, at most snap_bytes of it. */
void uc_slot_record(struct uc_slot *slot, const struct uc_seen_packet *packet);

/* Opens an AF_PACKET socket that hears nothing yet. The descriptor, or -errno. */
int uc_slot_socket(const char *name, uint32_t *interface_index, bool *is_ethernet);

/* Takes an error off the socket. 0 while the interface is there, else the errno to tell. */
int uc_slot_interface_lost(struct uc_slot *slot);

/* Each -errno or 0. The slot's socket and all else it holds is released by _close. */
int uc_mirror_open(struct uc_slot *slot, const char *name);
void uc_mirror_close(struct uc_slot *slot);
/* Reads at most one turn; slot->active tells whether there is more. */
void uc_mirror_turn(struct uc_slot *slot);
/* Lets nothing more in. What is in the kernel's blocks comes within UC_BLOCK_RETIRE_MS. */
void uc_mirror_stop(struct uc_slot *slot);
/* Reads the kernel's counters of what it lost since the last time. */
void uc_mirror_count_lost(struct uc_slot *slot);

int uc_inline_open(struct uc_slot *slot, const char *name, const char *uplink);
void uc_inline_close(struct uc_slot *slot);
/* As above; a positive errno when the uplink went away. scratch: UC_SCRATCH_BYTES. */
int uc_inline_turn(struct uc_slot *slot, uint8_t *scratch);
void uc_inline_stop(struct uc_slot *slot);
void uc_inline_count_lost(struct uc_slot *slot);

#endif /* UC_ADDON_PACKET_SLOT_H */
