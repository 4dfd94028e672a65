/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The thread that keeps the guest registered: polls the link, carries out commands, refreshes the
 * heartbeat, ticks the rings. Everything that touches the region besides the rings is here.
 */
#include <stdlib.h>
#include <time.h>

#include "guest.h"

#define HEARTBEAT_NS 250000000ull
#define CLOCK_NS 10000000000ull
/* How long a guest that leaves waits for the server's word. */
#define PATIENCE_NS 2000000000ull

static void *allocate(void *context, size_t bytes)
{
	(void)context;
	return malloc(bytes);
}

static void release(void *context, void *memory, size_t bytes)
{
	(void)context;
	(void)bytes;
	free(memory);
}

static const struct uc_allocator allocator = { allocate, release, NULL };

static uint64_t realtime_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static void park(void *context)
{
	lanes_stop(context);
}

static int start(void *context, const struct uc_link *link)
{
	struct guest *guest = context;
	const struct uc_ring_place *place = uc_region_ring(&link->map, UC_RING_COMMAND, 0);

	if (!place)
		return -1;
	if (!guest->reader_ready || !uc_command_place(&guest->reader, guest->region, place))
		uc_command_init(&guest->reader, guest->region, place, guest->command_buffer);
	guest->reader_ready = true;
	uc_rules_abandon(&guest->builder);
	uc_command_start(&guest->reader, link->session.session_id, link->session.features,
			 link->map.server_epoch);
	return lanes_start(guest, link);
}

static void stamp(void *context, struct uc_hello *hello)
{
	struct guest *guest = context;

	hello->clock_boottime_ns = guest_now_ns();
	hello->clock_realtime_ns = realtime_ns();
	hello->sequence = uc_counter_load(&guest->sequence.last);
}

static const struct uc_link_ops ops = { park, start, stamp };

static void write_status(struct guest *guest)
{
	struct uc_status status;

	memset(&status, 0, sizeof(status));
	status.heartbeat = ++guest->heartbeat;
	status.boottime_ns = guest_now_ns();
	status.sensors = uc_counter_load(&guest->sensors);
	status.rules_generation = uc_rules_generation(guest->rules);
	status.verdicts_allowed = uc_counter_load(&guest->verdicts_allowed);
	status.verdicts_denied = uc_counter_load(&guest->verdicts_denied);
	status.commands_done = guest->reader.commands_done;
	status.commands_failed = guest->reader.commands_failed;
	status.hashes_done = uc_counter_load(&guest->hashes_done);
	lanes_add_losses(guest, &status);
	status.sequence = uc_counter_load(&guest->sequence.last);
	uc_region_write_status(guest->region, &status);
}

static uint32_t commit_rules(struct guest *guest, const struct uc_command_item *item)
{
	struct uc_rules *fresh;
	struct uc_rules *stale;
	const uint32_t result =
		uc_rules_commit(&guest->builder, item->body, item->body_bytes, &fresh);

	if (result != UC_RESULT_DONE)
		return result;
	pthread_rwlock_wrlock(&guest->rules_lock);
	stale = guest->rules;
	guest->rules = fresh;
	pthread_rwlock_unlock(&guest->rules_lock);
	uc_rules_free(stale);
	return result;
}

static uint32_t execute(struct guest *guest, const struct uc_command_item *item)
{
	struct uc_command_kill_process kill;
	uint64_t sensors;

	switch (item->kind) {
	case UC_COMMAND_PING:
		return UC_RESULT_DONE;
	case UC_COMMAND_START_MONITORING:
		sensors = uc_command_sensors(item) & GUEST_CAPABILITIES & UC_SENSORS_ALL;
		uc_counter_store(&guest->sensors, sensors);
		process_report_existing(guest);
		return UC_RESULT_DONE;
	case UC_COMMAND_STOP_MONITORING:
		uc_counter_store(&guest->sensors, 0);
		return UC_RESULT_DONE;
	case UC_COMMAND_KILL_PROCESS:
		uc_command_kill(item, &kill);
		return process_kill(guest, &kill);
	case UC_COMMAND_RULES_BEGIN:
		return uc_rules_begin(&guest->builder, &allocator, item->body, item->body_bytes);
	case UC_COMMAND_RULES_ADD:
		return uc_rules_add(&guest->builder, item->body, item->body_bytes);
	case UC_COMMAND_RULES_COMMIT:
		return commit_rules(guest, item);
	case UC_COMMAND_UNREGISTER_ACK:
		uc_counter_store(&guest->acknowledged, 1);
		return UC_RESULT_DONE;
	case UC_COMMAND_QUIESCE:
		uc_counter_store(&guest->quiesce_wanted, 1);
		return UC_RESULT_DONE;
	default:
		return UC_RESULT_UNSUPPORTED;
	}
}

static void run_commands(struct guest *guest)
{
	struct uc_command_item item;

	while (uc_command_next(&guest->reader, guest_now_ns(), &item) > 0) {
		if (item.run)
			item.result.result = execute(guest, &item);
		uc_command_finish(&guest->reader, &item);
		emit(guest, UC_RECORD_COMMAND_RESULT, NULL, &item.result, NULL, 0);
		if (uc_counter_load(&guest->quiesce_wanted)) {
			uc_counter_store(&guest->quiesce_wanted, 0);
			uc_link_quiesce(&guest->link);
			return;
		}
	}
}

static void leave(struct guest *guest)
{
	const struct uc_unregister unregister = { UC_UNREGISTER_UNLOAD, 0 };

	uc_counter_store(&guest->sensors, 0);
	if (guest->link.state == UC_LINK_READY) {
		lanes_tick(guest);
		emit(guest, UC_RECORD_UNREGISTER, NULL, &unregister, NULL, 0);
	}
	uc_link_leave(&guest->link);
}

static void introduce(struct guest *guest, struct uc_hello *hello)
{
	FILE *random = fopen("/dev/urandom", "re");

	memset(hello, 0, sizeof(*hello));
	if (!random || fread(hello->boot_id, sizeof(hello->boot_id), 1, random) != 1) {
		fprintf(stderr, "undercroft-guest: no random boot id\n");
		exit(2);
	}
	fclose(random);
	hello->capabilities = GUEST_CAPABILITIES;
	hello->attach_ns = guest_now_ns();
	hello->map_kind = UC_MAP_WRITE_BACK;
	hello->cpu_count = guest->options.cpus;
	hello->os = UC_OS_SIMULATED;
	snprintf((char *)hello->driver_version, sizeof(hello->driver_version), "simulated");
	snprintf((char *)hello->os_version, sizeof(hello->os_version), "simulated guest");
}

void link_run(struct guest *guest)
{
	struct uc_hello hello;
	uint64_t status_ns = 0;
	uint64_t clock_ns = 0;
	uint64_t leave_by_ns = 0;
	uint32_t state;

	introduce(guest, &hello);
	uc_link_init(&guest->link, guest->region, guest->region_bytes, &ops, guest, &hello,
		     UC_FEATURE_CRC32C);
	for (;;) {
		const uint64_t now_ns = guest_now_ns();

		if (uc_counter_load(&guest->stopping) && leave_by_ns == 0) {
			leave(guest);
			leave_by_ns = now_ns + PATIENCE_NS;
		}
		state = uc_link_poll(&guest->link, now_ns);
		uc_counter_store(&guest->ready, state == UC_LINK_READY);
		if (state == UC_LINK_READY || state == UC_LINK_LEAVING) {
			run_commands(guest);
			lanes_tick(guest);
		}
		if (state == UC_LINK_READY && now_ns - clock_ns >= CLOCK_NS) {
			const struct uc_clock clock = { guest_now_ns(), realtime_ns() };

			emit(guest, UC_RECORD_CLOCK, NULL, &clock, NULL, 0);
			clock_ns = now_ns;
		}
		if (state != UC_LINK_OFFLINE && now_ns - status_ns >= HEARTBEAT_NS) {
			write_status(guest);
			status_ns = now_ns;
		}
		if (state == UC_LINK_LEAVING &&
		    (uc_counter_load(&guest->acknowledged) || now_ns >= leave_by_ns)) {
			/* The last words: everything that is counted is also on the page. */
			write_status(guest);
			uc_link_finish(&guest->link);
			state = UC_LINK_LEFT;
		}
		if (state == UC_LINK_LEFT)
			break;
		guest_sleep_ms(guest->options.poll_ms);
	}
	uc_rules_abandon(&guest->builder);
	uc_rules_free(guest->rules);
	guest->rules = NULL;
}
