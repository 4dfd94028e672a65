/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's side of the packet thread: opens and places things, asks the thread for the rest.
 * What may take long (sockets, capture rings, rule tables) is made here, before the thread sees it.
 */
#define _GNU_SOURCE
#include "packet-engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "packet-thread.h"

#define SNAP_BYTES_MIN 64u
#define REMOVAL_PAUSE_NS 5000000

static void call(struct uc_packet_engine *engine,
		 void (*run)(struct uc_packet_engine *engine, void *argument), void *argument)
{
	struct uc_call request = { run, argument, false };

	pthread_mutex_lock(&engine->lock);
	__atomic_store_n(&engine->pending, &request, __ATOMIC_RELAXED);
	eventfd_write(engine->call_fd, 1);
	while (!request.done)
		pthread_cond_wait(&engine->answered, &engine->lock);
	pthread_mutex_unlock(&engine->lock);
}

static struct uc_entry *find(struct uc_packet_engine *engine, uint32_t slot)
{
	for (uint32_t i = 0; i < UC_PACKET_SLOTS_MAX; i++) {
		struct uc_entry *entry = &engine->entries[i];

		if (entry->used && entry->slot.id == slot)
			return entry;
	}
	return NULL;
}

static int watch(struct uc_packet_engine *engine, int fd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = data };

	return epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/* All rings placed, or -EINVAL. Records are built in staging where frames carry a CRC. */
static int place_rings(struct uc_packet_engine *engine,
		       const struct uc_packet_engine_config *config)
{
	uint32_t limit = config->record_bytes_max;

	if (limit > UC_RECORD_BYTES_MAX)
		limit = UC_RECORD_BYTES_MAX;
	if (config->ring_count == 0 || config->ring_count > UC_PACKET_SLOTS_MAX ||
	    limit < sizeof(struct uc_packet) + SNAP_BYTES_MIN)
		return -EINVAL;
	const size_t staging_bytes = (limit + 7u) & ~7u;

	engine->staging = calloc(config->ring_count, staging_bytes);
	if (!engine->staging)
		return -ENOMEM;
	for (uint32_t lane = 0; lane < config->ring_count; lane++) {
		const struct uc_placement *place = &config->rings[lane];

		if (!uc_placement_valid(place, config->region_bytes))
			return -EINVAL;
		const uint64_t eighth = (1ull << place->capacity_log2) / 8;
		const struct uc_ring_place at = {
			.kind = UC_RING_PACKET,
			.lane = lane,
			.capacity_log2 = place->capacity_log2,
			.payload_bytes_max = eighth < limit ? (uint32_t)eighth : limit,
			.producer_offset = place->producer_offset,
			.consumer_offset = place->consumer_offset,
			.ring_offset = place->ring_offset,
		};

		uc_ring_init(&engine->rings[lane], config->region, &at, UC_MAP_WRITE_BACK,
			     engine->staging + lane * staging_bytes, &engine->sequence);
	}
	engine->ring_count = config->ring_count;
	return 0;
}

static int start_thread(struct uc_packet_engine *engine)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL };
	sigset_t all;
	sigset_t before;

	engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	engine->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	engine->change_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (engine->epoll_fd < 0 || engine->call_fd < 0 || engine->change_fd < 0)
		return -errno;
	const int error = watch(engine, engine->call_fd, UC_CALL_EVENT);
	if (error != 0)
		return error;
	/* Signals are the owner's, but not those of a fault: where they are blocked, the kernel ends
	 * the process, and a region file that is cut must not (sigbus-guard.h). */
	sigfillset(&all);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int failed = pthread_create(&engine->thread, NULL, uc_packet_thread, engine);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed == 0)
		pthread_setname_np(engine->thread, "uc-packets");
	return -failed;
}

static void free_engine(struct uc_packet_engine *engine)
{
	const int all[] = { engine->epoll_fd, engine->call_fd, engine->change_fd };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i] >= 0)
			close(all[i]);
	}
	pthread_mutex_destroy(&engine->lock);
	pthread_cond_destroy(&engine->answered);
	free(engine->staging);
	free(engine);
}

int uc_packet_engine_open(struct uc_packet_engine **engine,
			  const struct uc_packet_engine_config *config)
{
	struct uc_packet_engine *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->epoll_fd = -1;
	made->call_fd = -1;
	made->change_fd = -1;
	pthread_mutex_init(&made->lock, NULL);
	pthread_cond_init(&made->answered, NULL);
	int error = place_rings(made, config);
	if (error == 0)
		error = start_thread(made);
	if (error != 0) {
		free_engine(made);
		return error;
	}
	*engine = made;
	return 0;
}

static void end_thread(struct uc_packet_engine *engine, void *argument)
{
	(void)argument;
	engine->ended = true;
}

void uc_packet_engine_close(struct uc_packet_engine *engine)
{
	call(engine, end_thread, NULL);
	pthread_join(engine->thread, NULL);
	for (uint32_t i = 0; i < UC_PACKET_SLOTS_MAX; i++) {
		if (uc_entry_running(&engine->entries[i]))
			uc_slot_close(&engine->entries[i].slot);
	}
	for (uint32_t lane = 0; lane < engine->ring_count; lane++)
		uc_ring_stop(&engine->rings[lane]);
	free_engine(engine);
}

int uc_packet_engine_fd(const struct uc_packet_engine *engine)
{
	return engine->change_fd;
}

struct session_call {
	uint32_t session_id;
	uint64_t features;
	int result;
};

static void start_rings(struct uc_packet_engine *engine, void *argument)
{
	struct session_call *session = argument;

	for (uint32_t lane = 0; lane < engine->ring_count && session->result == 0; lane++)
		session->result = uc_ring_start(&engine->rings[lane], session->session_id,
						session->features);
}

int uc_packet_session_start(struct uc_packet_engine *engine, uint32_t session_id,
			    uint64_t features)
{
	/* Nobody here rings a doorbell; a reader of packet rings polls. */
	struct session_call session = { session_id, features & ~UC_FEATURE_DOORBELL, 0 };

	call(engine, start_rings, &session);
	return session.result == 0 ? 0 : -EINVAL;
}

static void stop_rings(struct uc_packet_engine *engine, void *argument)
{
	(void)argument;
	for (uint32_t lane = 0; lane < engine->ring_count; lane++)
		uc_ring_stop(&engine->rings[lane]);
}

void uc_packet_session_end(struct uc_packet_engine *engine)
{
	call(engine, stop_rings, NULL);
}

struct add_call {
	struct uc_slot slot;
	int result;
};

/* Where a slot of that id may be put: over its last run, at a free place, over one that is gone. */
static struct uc_entry *place_for(struct uc_packet_engine *engine, const struct uc_slot *slot)
{
	struct uc_entry *found = find(engine, slot->id);

	for (uint32_t i = 0; i < UC_PACKET_SLOTS_MAX && !found; i++) {
		if (!engine->entries[i].used)
			found = &engine->entries[i];
	}
	for (uint32_t i = 0; i < UC_PACKET_SLOTS_MAX && !found; i++) {
		if (!uc_entry_running(&engine->entries[i]))
			found = &engine->entries[i];
	}
	return found;
}

static bool is_free(const struct uc_packet_engine *engine, uint32_t slot, uint32_t lane)
{
	for (uint32_t i = 0; i < UC_PACKET_SLOTS_MAX; i++) {
		const struct uc_entry *entry = &engine->entries[i];

		if (uc_entry_running(entry) && (entry->slot.id == slot || entry->slot.lane == lane))
			return false;
	}
	return true;
}

static void check_free(struct uc_packet_engine *engine, void *argument)
{
	struct add_call *add = argument;

	if (!is_free(engine, add->slot.id, add->slot.lane))
		add->result = -EBUSY;
}

/* Every running slot has a lane of its own, and there are as many places as lanes. */
static void put_in(struct uc_packet_engine *engine, void *argument)
{
	struct add_call *add = argument;
	struct uc_entry *entry = place_for(engine, &add->slot);
	const uint64_t data = (uint64_t)(entry - engine->entries);

	add->result = watch(engine, add->slot.socket, data);
	if (add->result == 0 && add->slot.counts.mode == UC_REDIRECT_INLINE)
		add->result = watch(engine, add->slot.bridge.uplink, data);
	if (add->result != 0)
		return;
	memset(entry, 0, sizeof(*entry));
	entry->used = true;
	entry->slot = add->slot;
	entry->slot.counts.state = UC_REDIRECT_RUNNING;
	entry->slot.active = true;
}

int uc_packet_add(struct uc_packet_engine *engine, const struct uc_packet_source *add)
{
	struct add_call request = { .result = 0 };
	struct uc_slot *slot = &request.slot;

	if (add->lane >= engine->ring_count)
		return -ENOENT;
	if (add->snap_bytes < SNAP_BYTES_MIN)
		return -EINVAL;
	slot->id = add->slot;
	slot->lane = add->lane;
	slot->socket = -1;
	slot->ring = &engine->rings[add->lane];
	slot->snap_bytes = slot->ring->payload_bytes_max - (uint32_t)sizeof(struct uc_packet);
	if (add->snap_bytes < slot->snap_bytes)
		slot->snap_bytes = add->snap_bytes;
	slot->counts.mode = add->mode;
	call(engine, check_free, &request);
	if (request.result != 0)
		return request.result;
	const int error = add->mode == UC_REDIRECT_INLINE ?
				  uc_inline_open(slot, add->name, add->uplink) :
				  uc_mirror_open(slot, add->name);
	if (error != 0)
		return error;
	call(engine, put_in, &request);
	if (request.result != 0)
		uc_slot_close(slot);
	return request.result;
}

struct rules_call {
	uint32_t slot;
	struct uc_verdict_table *table;
	int result;
};

/* Leaves the old table in place of the new one, for the caller to free. */
static void swap_rules(struct uc_packet_engine *engine, void *argument)
{
	struct rules_call *rules = argument;
	struct uc_entry *entry = find(engine, rules->slot);

	if (!entry || !uc_entry_running(entry)) {
		rules->result = -ENOENT;
	} else if (entry->slot.counts.mode != UC_REDIRECT_INLINE) {
		rules->result = -ENOTSUP;
	} else {
		struct uc_verdict_table *old = entry->slot.bridge.rules;

		entry->slot.bridge.rules = rules->table;
		rules->table = old;
	}
}

int uc_packet_rules(struct uc_packet_engine *engine, uint32_t slot, const uint8_t *rules,
		    uint64_t bytes)
{
	struct rules_call request = { .slot = slot };
	const int error = uc_verdict_make(&request.table, slot, rules, bytes);

	if (error != 0)
		return error;
	call(engine, swap_rules, &request);
	uc_verdict_free(request.table);
	return request.result;
}

struct status_call {
	uint32_t slot;
	struct uc_packet_counts *counts;
	int result;
	bool is_ending;
};

static void copy_status(struct uc_packet_engine *engine, void *argument)
{
	struct status_call *status = argument;
	struct uc_entry *entry = find(engine, status->slot);

	status->result = entry ? 0 : -ENOENT;
	if (!entry)
		return;
	if (uc_entry_running(entry))
		uc_slot_count_lost(&entry->slot);
	*status->counts = entry->slot.counts;
	status->is_ending = uc_entry_running(entry) && entry->ending_at != 0;
}

static void begin_removal(struct uc_packet_engine *engine, void *argument)
{
	struct status_call *status = argument;
	struct uc_entry *entry = find(engine, status->slot);

	if (entry && uc_entry_running(entry))
		uc_entry_end(entry, UC_REDIRECT_STOPPED, 0);
	copy_status(engine, argument);
}

static void forget(struct uc_packet_engine *engine, void *argument)
{
	struct status_call *status = argument;
	struct uc_entry *entry = find(engine, status->slot);

	if (entry)
		entry->used = false;
}

int uc_packet_remove(struct uc_packet_engine *engine, uint32_t slot,
		     struct uc_packet_counts *counts)
{
	const struct timespec pause = { .tv_nsec = REMOVAL_PAUSE_NS };
	struct status_call request = { .slot = slot, .counts = counts };

	call(engine, begin_removal, &request);
	while (request.result == 0 && request.is_ending) {
		nanosleep(&pause, NULL);
		call(engine, copy_status, &request);
	}
	if (request.result == 0)
		call(engine, forget, &request);
	return request.result;
}

int uc_packet_status(struct uc_packet_engine *engine, uint32_t slot,
		     struct uc_packet_counts *counts)
{
	struct status_call request = { .slot = slot, .counts = counts };

	call(engine, copy_status, &request);
	return request.result;
}
