/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Ordinary work of a guest, one thread a CPU: short processes that open and close files, at a
 * rate of record bytes or as fast as the ring takes them, until told to stop or done.
 */
#include <stdlib.h>

#include "guest.h"

#define OPENS_A_PROCESS 20u
#define BATCH_MS 20u
#define NS_PER_MINUTE 60000000000ull

/* A path that makes a FILE_OPEN record of about the wanted payload. */
static void make_path(char path[4096], uint32_t size_bytes, uint64_t *seed)
{
	const uint32_t fixed = (uint32_t)(sizeof(struct uc_event_header) +
					  sizeof(struct uc_file_event) + sizeof(struct uc_field));
	const uint32_t wanted = size_bytes > fixed + 24 ? size_bytes - fixed : 24;
	const uint32_t bytes = wanted < 4000 ? wanted : 4000;
	uint32_t at = (uint32_t)snprintf(path, 64, "/srv/data/%llu/",
					 (unsigned long long)(guest_random(seed) % 10000));

	for (; at < bytes; at++)
		path[at] = (char)('a' + guest_random(seed) % 26);
	path[at] = 0;
}

static bool may_go_on(const struct load_worker *worker, uint64_t done)
{
	return !uc_counter_load(&worker->guest->stopping) &&
	       (worker->events == 0 || done < worker->events);
}

static bool wait_until_monitored(struct guest *guest)
{
	while (!uc_counter_load(&guest->stopping)) {
		if (uc_counter_load(&guest->sensors) && uc_counter_load(&guest->ready))
			return true;
		guest_sleep_ms(5);
	}
	return false;
}

/* Record bytes that a worker has written, its frames' heads included, by its own count. */
static uint64_t record_bytes(const char *path)
{
	return UC_FRAME_BYTES + sizeof(struct uc_event_header) + sizeof(struct uc_file_event) +
	       uc_field_bytes((uint32_t)strlen(path));
}

void *load_run(void *argument)
{
	struct load_worker *worker = argument;
	struct guest *guest = worker->guest;
	struct process *process = NULL;
	uint64_t seed = guest->options.seed * 1000003 + worker->cpu;
	uint64_t begin_ns = 0;
	uint64_t bytes = 0;
	uint64_t done = 0;
	uint32_t opens = 0;
	char path[4096];

	while (may_go_on(worker, done)) {
		if (begin_ns == 0 || !uc_counter_load(&guest->sensors)) {
			if (!wait_until_monitored(guest))
				break;
			begin_ns = guest_now_ns();
			bytes = 0;
		}
		if (worker->rate_bytes_per_minute &&
		    bytes > (guest_now_ns() - begin_ns) / (NS_PER_MINUTE / 1000) *
				    worker->rate_bytes_per_minute / 1000) {
			guest_sleep_ms(BATCH_MS);
			continue;
		}
		if (!process) {
			process = process_start(guest, &guest->processes[0], worker->cpu);
			if (!process)
				break;
			process_exec(guest, process, "/usr/bin/worker", "worker", 7);
			done += 2;
			opens = 0;
		}
		make_path(path, guest->options.size_bytes, &seed);
		process_open(guest, process, path);
		process_close(guest, process, path, false);
		bytes += 2 * record_bytes(path);
		done += 2;
		if (++opens == OPENS_A_PROCESS || process_was_killed(guest, process)) {
			process_exit(guest, process, 0);
			process = NULL;
			done++;
		}
	}
	if (process)
		process_exit(guest, process, 0);
	uc_atomic_fetch_add_u64(&guest->load_records, done);
	return NULL;
}
