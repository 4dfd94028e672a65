/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A guest's registration as an explicit state machine, the same for every driver. The driver
 * calls uc_link_poll() every few milliseconds from one thread (it may sleep between), and gives
 * two callbacks; the machine never waits, never allocates and holds no lock.
 *
 *                 superblock good, hello written          READY echoes hello and boot
 *      OFFLINE ------------------------------> HELLO_SENT ---------------------------> READY
 *        ^  ^                                      |                                  |  |  |
 *        |  +--- new epoch (from any state) -------+--------------<-------------------+  |  |
 *        |                                         |          session CLOSED/replaced    |  |
 *        |                                         v                                     |  |
 *        +---- re-hello, at most 1/s, 20/h --- QUARANTINED <-----------------------------+  |
 *        +---- new epoch or session gone ----- QUIESCED <-- QUIESCE ------------------------+
 *                                              LEAVING --- CLOSED, ACK or finish --> LEFT
 *
 * Producers write only between ops->start and the next ops->park.
 */
#ifndef UC_LINK_H
#define UC_LINK_H

#include "uc_port.h"
#include "uc_region.h"

#ifdef __cplusplus
extern "C" {
#endif

#define UC_LINK_OFFLINE 0u
#define UC_LINK_HELLO_SENT 1u
#define UC_LINK_READY 2u
#define UC_LINK_QUARANTINED 3u
#define UC_LINK_QUIESCED 4u
#define UC_LINK_LEAVING 5u
#define UC_LINK_LEFT 6u

/* Re-handshake limits: reset storms would hide loss. */
#define UC_LINK_HELLO_GAP_NS 1000000000ull
#define UC_LINK_HELLO_WINDOW_NS 3600000000000ull
#define UC_LINK_HELLOS_MAX 20u
/* A quarantined guest waits twice as long each time, up to one hello in so many ns. */
#define UC_LINK_QUARANTINE_NS_MAX 180000000000ull
/* How long the machine waits before it looks at an unusable superblock again. */
#define UC_LINK_RETRY_NS 250000000ull

struct uc_link;

struct uc_link_ops {
	/*
	 * Close the gate: return only when no producer is inside a ring and none will enter. Also
	 * called when the gate is closed already. May sleep.
	 */
	void (*park)(void *context);
	/*
	 * A session begins: link->session and link->map are valid. Start rings and command reader
	 * (uc_ring_start, uc_command_start), then open the gate. Non-zero: cannot; try again later.
	 */
	int (*start)(void *context, const struct uc_link *link);
	/* Fills clock_boottime_ns, clock_realtime_ns and sequence of the hello about to be sent. */
	void (*stamp)(void *context, struct uc_hello *hello);
};

struct uc_link {
	void *region;
	uint64_t region_bytes;
	const struct uc_link_ops *ops;
	void *context;

	uint32_t state;
	/* Last -UC_REGION_E_* of the superblock, 0 when good: for the driver's log. */
	int region_error;
	/* What the guest says of itself; hello_seq, server_epoch, protocol, features are filled in. */
	struct uc_hello hello;
	/* Features this driver can do; the hello accepts those of them that are offered. */
	uint64_t features_supported;
	/* Valid from READY on. */
	struct uc_session session;
	struct uc_region_map map;

	uint64_t retry_ns;
	uint64_t quarantine_ns;
	uint32_t hello_count;
	uint64_t hello_times_ns[UC_LINK_HELLOS_MAX];
	uint64_t sessions;
	uint8_t scratch_page[UC_PAGE_BYTES];
};

/*
 * Prepares a link (about 8 KiB, zeroed by this call). hello: capabilities, boot_id (not zero),
 * attach_ns, map_kind, cpu_count, os, driver_version, os_version; the rest is filled in later.
 * Nothing is read or written yet.
 */
void uc_link_init(struct uc_link *link, void *region, uint64_t region_bytes,
		  const struct uc_link_ops *ops, void *context, const struct uc_hello *hello,
		  uint64_t features_supported);

/* One step. Returns the state after it, UC_LINK_*. now_ns: guest boot-time clock. */
uint32_t uc_link_poll(struct uc_link *link, uint64_t now_ns);

/* QUIESCE as a command: parks and stays so until the server opens a new session. */
void uc_link_quiesce(struct uc_link *link);

/*
 * The driver wants to go: call after the UNREGISTER record has been published. Producers go on
 * until uc_link_finish(). uc_link_poll() turns to LEFT when the server closes the session; the
 * driver limits its patience itself and calls uc_link_finish() in any case.
 */
void uc_link_leave(struct uc_link *link);

/* Parks for good. No call of the machine touches the region afterwards. */
void uc_link_finish(struct uc_link *link);

#ifdef __cplusplus
}
#endif

#endif /* UC_LINK_H */
