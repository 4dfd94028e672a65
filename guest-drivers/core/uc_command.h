/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The guest's reading end of the command ring. Copies a frame out once, checks the private copy,
 * and hands out one command at a time with its decision: run it, or report a result at once.
 * Called by the driver's command thread; one thread, no lock. Must not run anything itself.
 *
 *   while (uc_command_next(reader, now_ns, &command) > 0) {
 *           if (command.run)
 *                   command.result.result = execute(&command, &command.result);
 *           uc_command_finish(reader, &command);
 *           ...write command.result as a UC_RECORD_COMMAND_RESULT...
 *   }
 */
#ifndef UC_COMMAND_H
#define UC_COMMAND_H

#include "uc_port.h"
#include "uc_region.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Ids remembered, so that a command sent twice runs once. A power of two. */
#define UC_COMMAND_WINDOW 64u

struct uc_command_reader {
	/* Set by uc_command_init(). */
	const uint8_t *bytes;
	const uint8_t *producer_page;
	uint8_t *consumer_page;
	uint8_t *buffer;
	uint64_t capacity;
	uint32_t payload_bytes_max;

	/* Set by uc_command_start(). */
	bool started;
	bool with_crc;
	uint32_t session_id;
	uint32_t sequence;
	uint64_t head;
	/* Latched UC_E_*: nothing more is read in this session. */
	uint32_t fault;

	/* Cumulative. commands_missing: gaps in the ring sequence, which only the server can make. */
	uint64_t commands_done;
	uint64_t commands_failed;
	uint64_t commands_replayed;
	uint64_t commands_missing;

	/* Results by command id, oldest overwritten; kept while the server's epoch stays. */
	uint64_t window_epoch;
	uint32_t window_next;
	struct uc_command_result window[UC_COMMAND_WINDOW];
};

/* One received command. body points into the reader's private buffer until the next call. */
struct uc_command_item {
	uint64_t id;
	uint64_t deadline_ns;
	uint32_t kind;
	/* True: execute it. False: result is decided already (replayed, expired, malformed...). */
	bool run;
	bool replayed;
	uint32_t body_bytes;
	const uint8_t *body;
	/* What to report: command_id and kind are filled in, the driver adds result and detail. */
	struct uc_command_result result;
};

/* buffer: private, 8-byte aligned, place->payload_bytes_max bytes. */
void uc_command_init(struct uc_command_reader *reader, void *region,
		     const struct uc_ring_place *place, void *buffer);

/*
 * Moves the reader to the place a new superblock gives it; false when a payload there could be
 * longer than the buffer that uc_command_init() was given.
 */
bool uc_command_place(struct uc_command_reader *reader, void *region,
		      const struct uc_ring_place *place);

/*
 * Begins a session at position 0 and stores the head. A new server_epoch forgets the window: a
 * server counts its command ids from its own start.
 */
void uc_command_start(struct uc_command_reader *reader, uint32_t session_id, uint64_t features,
		      uint64_t server_epoch);

/*
 * 1 with an item, 0 when there is none, or -UC_E_* when the server broke the ring's rules.
 * Each RULES_ADD of a table is a command of its own, with an id of its own.
 */
int uc_command_next(struct uc_command_reader *reader, uint64_t now_ns,
		    struct uc_command_item *item);

/* Remembers item->result for replays and counts it. Call for every item, run or not. */
void uc_command_finish(struct uc_command_reader *reader, const struct uc_command_item *item);

/* Typed views of a checked body; the kinds' sizes were checked by uc_command_next(). */
uint64_t uc_command_sensors(const struct uc_command_item *item);
void uc_command_kill(const struct uc_command_item *item, struct uc_command_kill_process *kill);

#ifdef __cplusplus
}
#endif

#endif /* UC_COMMAND_H */
