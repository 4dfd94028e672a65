/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet thread: waits for interfaces, gives each its turn in rotation, so that one that is
 * flooded takes only its share, and runs what the owner asks for between two turns.
 */
#define _GNU_SOURCE
#include "packet-thread.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 100u
/* While a slot ends, which takes until the kernel has surely handed over its last block. */
#define ENDING_TICK_MS 5u
#define ENDING_MS (3u * UC_BLOCK_RETIRE_MS)
#define LATE_MS 200ull
#define NS_PER_MS 1000000u
#define EVENTS_MAX 64

static uint64_t now_ns(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool uc_entry_running(const struct uc_entry *entry)
{
	return entry->used && entry->slot.counts.state == UC_REDIRECT_RUNNING;
}

void uc_slot_count_lost(struct uc_slot *slot)
{
	if (slot->counts.mode == UC_REDIRECT_INLINE)
		uc_inline_count_lost(slot);
	else
		uc_mirror_count_lost(slot);
}

void uc_slot_close(struct uc_slot *slot)
{
	if (slot->counts.mode == UC_REDIRECT_INLINE)
		uc_inline_close(slot);
	else
		uc_mirror_close(slot);
}

void uc_entry_end(struct uc_entry *entry, uint32_t state, uint32_t error)
{
	struct uc_slot *slot = &entry->slot;

	if (entry->ending_at != 0)
		return;
	if (slot->counts.mode == UC_REDIRECT_INLINE)
		uc_inline_stop(slot);
	else
		uc_mirror_stop(slot);
	slot->counts.error = error;
	slot->active = true;
	entry->ending_state = state;
	entry->ending_at = now_ns() + (uint64_t)ENDING_MS * NS_PER_MS;
}

static void finish_ending(struct uc_packet_engine *engine, struct uc_entry *entry)
{
	uc_slot_count_lost(&entry->slot);
	/* Descriptors leave the epoll set as they are closed. */
	uc_slot_close(&entry->slot);
	entry->slot.counts.state = entry->ending_state;
	entry->ending_at = 0;
	uc_ring_tick(entry->slot.ring);
	if (entry->ending_state == UC_REDIRECT_GONE)
		eventfd_write(engine->change_fd, 1);
}

static void look_after(struct uc_entry *entry)
{
	const int error = uc_slot_interface_lost(&entry->slot);

	if (error != 0)
		uc_entry_end(entry, UC_REDIRECT_GONE, (uint32_t)error);
}

static void serve(struct uc_packet_engine *engine, struct uc_entry *entry)
{
	struct uc_slot *slot = &entry->slot;
	int error = 0;

	if (slot->counts.mode == UC_REDIRECT_INLINE)
		error = uc_inline_turn(slot, engine->scratch);
	else
		uc_mirror_turn(slot);
	if (!slot->active)
		uc_ring_tick(slot->ring);
	if (error == 0)
		return;
	slot->active = false;
	uc_entry_end(entry, UC_REDIRECT_GONE, (uint32_t)error);
	/* Nothing more will come, and a descriptor that is broken would wake us for ever. */
	finish_ending(engine, entry);
}

static void run_call(struct uc_packet_engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	struct uc_call *call = engine->pending;
	engine->pending = NULL;
	if (call) {
		call->run(engine, call->argument);
		call->done = true;
		pthread_cond_signal(&engine->answered);
	}
	pthread_mutex_unlock(&engine->lock);
}

static void tick(struct uc_packet_engine *engine)
{
	for (uint32_t i = 0; i < UC_PACKET_SLOTS_MAX; i++) {
		if (!uc_entry_running(&engine->entries[i]))
			continue;
		uc_slot_count_lost(&engine->entries[i].slot);
		look_after(&engine->entries[i]);
	}
	for (uint32_t lane = 0; lane < engine->ring_count; lane++)
		uc_ring_tick(&engine->rings[lane]);
}

/* One turn for everybody. True: somebody has more, or is ending. */
static bool rotate(struct uc_packet_engine *engine, bool *ending)
{
	bool more = false;

	*ending = false;
	for (uint32_t i = 0; i < UC_PACKET_SLOTS_MAX; i++) {
		struct uc_entry *entry = &engine->entries[i];

		if (!uc_entry_running(entry))
			continue;
		const uint64_t now = entry->ending_at != 0 ? now_ns() : 0;
		const bool is_over = entry->ending_at != 0 && now >= entry->ending_at;
		/* An uplink that is flooded would go on for ever. */
		const bool is_late = is_over && now - entry->ending_at >= LATE_MS * NS_PER_MS;

		if (entry->slot.active || entry->ending_at != 0)
			serve(engine, entry);
		if (is_over && (is_late || !entry->slot.active) && uc_entry_running(entry))
			finish_ending(engine, entry);
		more |= uc_entry_running(entry) && entry->slot.active;
		*ending |= uc_entry_running(entry) && entry->ending_at != 0;
		if (__atomic_load_n(&engine->pending, __ATOMIC_RELAXED))
			run_call(engine);
	}
	return more;
}

static void take_events(struct uc_packet_engine *engine, const struct epoll_event *events,
			int count)
{
	eventfd_t rings;

	for (int i = 0; i < count; i++) {
		const uint64_t data = events[i].data.u64;

		if (data == UC_CALL_EVENT) {
			if (eventfd_read(engine->call_fd, &rings) == 0)
				run_call(engine);
			continue;
		}
		struct uc_entry *entry = &engine->entries[data];

		if (!uc_entry_running(entry))
			continue;
		entry->slot.active = true;
		if (events[i].events & (EPOLLERR | EPOLLHUP))
			look_after(entry);
	}
}

void *uc_packet_thread(void *argument)
{
	struct uc_packet_engine *engine = argument;
	struct epoll_event events[EVENTS_MAX];
	bool more = false;
	bool ending = false;

	while (!engine->ended) {
		const int wait_ms = more ? 0 : ending ? (int)ENDING_TICK_MS : (int)TICK_MS;
		const int count = epoll_wait(engine->epoll_fd, events, EVENTS_MAX, wait_ms);

		take_events(engine, events, count);
		more = rotate(engine, &ending);
		if (now_ns() >= engine->tick_at) {
			tick(engine);
			engine->tick_at = now_ns() + (uint64_t)TICK_MS * NS_PER_MS;
		}
	}
	return NULL;
}

