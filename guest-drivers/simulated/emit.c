/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * From a made-up event into the right ring: a data ring a CPU, one priority ring for all. The
 * lock of a ring is also its gate: between sessions a ring is stopped and loses what it gets.
 */
#include "guest.h"

static struct lane *priority_lane(struct guest *guest)
{
	return &guest->lanes[guest->data_lanes];
}

static struct lane *lane_for(struct guest *guest, uint16_t type, uint32_t cpu)
{
	switch (type) {
	case UC_RECORD_PROCESS_EXEC:
	case UC_RECORD_PROCESS_EXIT:
	case UC_RECORD_PROCESS_EXISTING:
	case UC_RECORD_PROCESS_HASH:
	case UC_RECORD_VERDICT:
	case UC_RECORD_COMMAND_RESULT:
	case UC_RECORD_UNREGISTER:
	case UC_RECORD_CLOCK:
		return priority_lane(guest);
	default:
		/* CPUs beyond the rings share the last one. */
		return &guest->lanes[cpu < guest->data_lanes ? cpu : guest->data_lanes - 1];
	}
}

void lanes_init(struct guest *guest)
{
	uint32_t i;

	guest->data_lanes = guest->options.cpus;
	for (i = 0; i <= GUEST_CPUS_MAX; i++) {
		pthread_mutex_init(&guest->lanes[i].lock, NULL);
		/* Records before the first session are lost, and counted like the rest. */
		guest->lanes[i].ring.sequence_source = &guest->sequence;
	}
}

void lanes_stop(struct guest *guest)
{
	uint32_t i;

	for (i = 0; i <= guest->data_lanes; i++) {
		pthread_mutex_lock(&guest->lanes[i].lock);
		uc_ring_stop(&guest->lanes[i].ring);
		pthread_mutex_unlock(&guest->lanes[i].lock);
	}
}

static int start_lane(struct guest *guest, struct lane *lane, const struct uc_link *link,
		      const struct uc_ring_place *place)
{
	int error;

	if (!place)
		return -1;
	pthread_mutex_lock(&lane->lock);
	if (lane->placed)
		uc_ring_place(&lane->ring, guest->region, place);
	else
		uc_ring_init(&lane->ring, guest->region, place, UC_MAP_WRITE_BACK, lane->staging,
			     &guest->sequence);
	lane->placed = true;
	error = uc_ring_start(&lane->ring, link->session.session_id, link->session.features);
	pthread_mutex_unlock(&lane->lock);
	return error;
}

int lanes_start(struct guest *guest, const struct uc_link *link)
{
	const uint32_t rings = uc_region_data_rings(&link->map);
	uint32_t i;

	if (rings == 0)
		return -1;
	for (i = 0; i < guest->data_lanes; i++) {
		/* A lane without a ring of its own would make two producers of one ring. */
		if (i >= rings)
			return -1;
		if (start_lane(guest, &guest->lanes[i], link,
			       uc_region_ring(&link->map, UC_RING_DATA, i)))
			return -1;
	}
	return start_lane(guest, priority_lane(guest), link,
			  uc_region_ring(&link->map, UC_RING_PRIORITY, 0));
}

void lanes_tick(struct guest *guest)
{
	uint32_t i;

	for (i = 0; i <= guest->data_lanes; i++) {
		pthread_mutex_lock(&guest->lanes[i].lock);
		uc_ring_tick(&guest->lanes[i].ring);
		pthread_mutex_unlock(&guest->lanes[i].lock);
	}
}

void lanes_add_losses(const struct guest *guest, struct uc_status *status)
{
	uint32_t i;

	for (i = 0; i <= guest->data_lanes; i++)
		uc_ring_add_losses(&guest->lanes[i].ring, status);
}

static void fill_header(struct uc_event_header *header, const struct process *process)
{
	memset(header, 0, sizeof(*header));
	header->boottime_ns = guest_now_ns();
	if (!process)
		return;
	header->process_start_ns = process->start_ns;
	header->cgroup_id = 1;
	header->pid = process->pid;
	header->tid = process->pid;
	header->parent_pid = process->parent_pid;
	header->uid = process->uid;
	header->gid = process->uid;
	header->exec_generation = process->exec_generation;
	header->mount_namespace = 1;
	header->cpu = process->cpu;
}

uint64_t emit(struct guest *guest, uint16_t type, const struct process *process, const void *body,
	      const struct field *fields, uint32_t field_count)
{
	struct lane *lane = lane_for(guest, type, process ? process->cpu : 0);
	const bool urgent = lane == priority_lane(guest);
	struct uc_event_header header;
	struct uc_record record;
	uint64_t sequence;
	uint32_t bytes = 0;
	uint32_t i;
	bool written;

	for (i = 0; i < field_count; i++)
		bytes += uc_field_bytes(fields[i].count);
	pthread_mutex_lock(&lane->lock);
	fill_header(&header, process);
	written = uc_record_begin(&record, &lane->ring, type, &header, body, bytes);
	sequence = uc_ring_reserved_sequence(&lane->ring);
	if (written) {
		for (i = 0; i < field_count; i++)
			uc_record_field(&record, fields[i].type, fields[i].bytes, fields[i].count,
					false);
		uc_record_end(&record, urgent);
	}
	if (guest->truth)
		fprintf(guest->truth, "%llu 0x%04x %s\n", (unsigned long long)sequence, type,
			written ? "written" : "lost");
	pthread_mutex_unlock(&lane->lock);
	return sequence;
}
