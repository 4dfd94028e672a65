/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet thread and what it shares with its owner. Private to packet-thread.c and
 * packet-engine.c. Once the thread runs, all but pending and lock belongs to it; the owner's
 * requests are functions that it runs between two turns.
 */
#ifndef UC_ADDON_PACKET_THREAD_H
#define UC_ADDON_PACKET_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "packet-slot.h"

/* Wakes the thread for a request, in place of an entry's index. */
#define UC_CALL_EVENT UINT64_MAX

struct uc_entry {
	bool used;
	/* Boot-time nanoseconds at which it may be closed, 0 while it runs. */
	uint64_t ending_at;
	uint32_t ending_state;
	struct uc_slot slot;
};

/* A request of the owner, on its stack. */
struct uc_call {
	void (*run)(struct uc_packet_engine *engine, void *argument);
	void *argument;
	bool done;
};

struct uc_packet_engine {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	struct uc_call *pending;
	int call_fd;
	int change_fd;
	int epoll_fd;
	bool ended;
	uint64_t tick_at;
	struct uc_sequence sequence;
	uint32_t ring_count;
	struct uc_ring rings[UC_PACKET_SLOTS_MAX];
	uint8_t *staging;
	struct uc_entry entries[UC_PACKET_SLOTS_MAX];
	uint8_t scratch[UC_SCRATCH_BYTES];
};

void *uc_packet_thread(void *engine);

/* All below: on the packet thread, or where none runs. */
bool uc_entry_running(const struct uc_entry *entry);
/* Lets nothing more in; the thread reads the rest, closes the slot and sets that state. */
void uc_entry_end(struct uc_entry *entry, uint32_t state, uint32_t error);
void uc_slot_count_lost(struct uc_slot *slot);
void uc_slot_close(struct uc_slot *slot);

#endif /* UC_ADDON_PACKET_THREAD_H */
