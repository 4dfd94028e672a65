/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's command reader against the product's own command writer, and against rings by hand
 * that break each rule.
 */
#include "hand-server.h"
#include "tap.h"
#include "uc_command.h"

#define CAPACITY_LOG2 12u
#define CAPACITY (1u << CAPACITY_LOG2)

static struct hand_server server;
static struct uc_region_map map;
static struct uc_producer producer;
static uint64_t producer_stats[UC_PRODUCER_STATS];
static struct uc_command_reader reader;
static struct uc_command_item item;
static uint8_t page[UC_PAGE_BYTES];
static uint64_t buffer[CAPACITY / 8 / 8];

static void begin(uint64_t features)
{
	struct uc_producer_config config;

	hand_init(&server, CAPACITY_LOG2);
	CHECK_EQUAL(uc_region_read(&map, server.region, HAND_REGION_BYTES, page), 0);
	memset(&config, 0, sizeof(config));
	config.region = server.region;
	config.region_bytes = HAND_REGION_BYTES;
	config.placement = hand_placement(&server, HAND_COMMAND);
	config.record_bytes_max = UC_RECORD_BYTES_MAX;
	config.stats = producer_stats;
	CHECK_EQUAL(uc_producer_init(&producer, &config), 0);
	uc_producer_start_session(&producer, HAND_SESSION, features);
	uc_command_init(&reader, server.region, uc_region_ring(&map, UC_RING_COMMAND, 0), buffer);
	uc_command_start(&reader, HAND_SESSION, features, HAND_EPOCH);
}

static int send_command(uint64_t id, uint32_t kind, uint64_t deadline_ns, const void *body,
			uint32_t body_bytes)
{
	uint8_t payload[600];
	struct uc_command command = { id, deadline_ns, kind, 0 };
	int written;

	memcpy(payload, &command, sizeof(command));
	if (body_bytes)
		memcpy(payload + sizeof(command), body, body_bytes);
	written = uc_producer_write(&producer, UC_RECORD_COMMAND, 0, payload,
				    (uint32_t)sizeof(command) + body_bytes);
	uc_producer_publish(&producer);
	return written;
}

static void take_and_finish(uint32_t result)
{
	CHECK_EQUAL(uc_command_next(&reader, 0, &item), 1);
	if (item.run)
		item.result.result = result;
	uc_command_finish(&reader, &item);
}

static void commands_arrive_in_order(void)
{
	struct uc_command_kill_process kill = { 99, 1234, 7 };
	struct uc_command_kill_process read;
	uint64_t sensors = UC_SENSOR_FILE;

	begin(0);
	CHECK_EQUAL(uc_command_next(&reader, 0, &item), 0);
	send_command(1, UC_COMMAND_START_MONITORING, 0, &sensors, sizeof(sensors));
	send_command(2, UC_COMMAND_KILL_PROCESS, 0, &kill, sizeof(kill));
	CHECK_EQUAL(uc_command_next(&reader, 0, &item), 1);
	CHECK(item.run);
	CHECK_EQUAL(item.id, 1);
	CHECK_EQUAL(item.result.command_id, 1);
	CHECK_EQUAL(item.result.kind, UC_COMMAND_START_MONITORING);
	CHECK_EQUAL(uc_command_sensors(&item), UC_SENSOR_FILE);
	CHECK_EQUAL(uc_command_next(&reader, 0, &item), 1);
	uc_command_kill(&item, &read);
	CHECK_EQUAL(read.pid, 1234);
	CHECK_EQUAL(read.process_start_ns, 99);
	CHECK_EQUAL(read.exec_generation, 7);
	CHECK_EQUAL(uc_command_next(&reader, 0, &item), 0);
}

/* Far more bytes than the ring holds: the writer needs our head to go on. */
static void the_ring_wraps_and_gives_space_back(void)
{
	uint8_t body[300] = { 0 };
	uint64_t features;
	uint64_t id;

	for (features = 0; features <= UC_FEATURE_CRC32C; features += UC_FEATURE_CRC32C) {
		begin(features);
		for (id = 1; id <= 200; id++) {
			const uint32_t bytes = (uint32_t)(id * 37 % 250);

			CHECK_EQUAL(send_command(id, UC_COMMAND_PING, 0, body, bytes), 1);
			CHECK_EQUAL(uc_command_next(&reader, 0, &item), 1);
			CHECK_EQUAL(item.id, id);
			CHECK_EQUAL(item.body_bytes, bytes);
			CHECK_EQUAL(item.run, bytes == 0);
		}
		CHECK_EQUAL(reader.commands_missing, 0);
	}
}

static void a_command_sent_twice_runs_once(void)
{
	uint64_t id;

	begin(0);
	send_command(5, UC_COMMAND_PING, 0, NULL, 0);
	take_and_finish(UC_RESULT_NOT_FOUND);
	send_command(5, UC_COMMAND_PING, 0, NULL, 0);
	take_and_finish(UC_RESULT_DONE);
	CHECK(!item.run);
	CHECK(item.replayed);
	CHECK_EQUAL(item.result.result, UC_RESULT_NOT_FOUND);
	CHECK_EQUAL(item.result.command_id, 5);
	CHECK_EQUAL(reader.commands_replayed, 1);
	CHECK_EQUAL(reader.commands_failed, 1);
	/* 63 more ids fit beside it; the 64th pushes it out. */
	for (id = 100; id < 100 + UC_COMMAND_WINDOW - 1; id++) {
		send_command(id, UC_COMMAND_PING, 0, NULL, 0);
		take_and_finish(UC_RESULT_DONE);
	}
	send_command(5, UC_COMMAND_PING, 0, NULL, 0);
	take_and_finish(UC_RESULT_DONE);
	CHECK(item.replayed);
	send_command(200, UC_COMMAND_PING, 0, NULL, 0);
	take_and_finish(UC_RESULT_DONE);
	send_command(5, UC_COMMAND_PING, 0, NULL, 0);
	CHECK_EQUAL(uc_command_next(&reader, 0, &item), 1);
	CHECK(item.run);
}

static void the_window_outlives_a_session_but_not_an_epoch(void)
{
	begin(0);
	send_command(5, UC_COMMAND_PING, 0, NULL, 0);
	take_and_finish(UC_RESULT_DONE);
	memset(server.region + UC_RING_PAGES_OFFSET, 0, 2 * UC_PAGE_BYTES);
	uc_producer_start_session(&producer, HAND_SESSION + 1, 0);
	uc_command_start(&reader, HAND_SESSION + 1, 0, HAND_EPOCH);
	send_command(5, UC_COMMAND_PING, 0, NULL, 0);
	take_and_finish(UC_RESULT_DONE);
	CHECK(item.replayed);
	memset(server.region + UC_RING_PAGES_OFFSET, 0, 2 * UC_PAGE_BYTES);
	uc_producer_start_session(&producer, HAND_SESSION + 2, 0);
	uc_command_start(&reader, HAND_SESSION + 2, 0, HAND_EPOCH + 1);
	send_command(5, UC_COMMAND_PING, 0, NULL, 0);
	CHECK_EQUAL(uc_command_next(&reader, 0, &item), 1);
	CHECK(item.run);
}

static void a_late_command_is_not_run(void)
{
	begin(0);
	send_command(1, UC_COMMAND_PING, 1000, NULL, 0);
	send_command(2, UC_COMMAND_PING, 1000, NULL, 0);
	CHECK_EQUAL(uc_command_next(&reader, 1000, &item), 1);
	CHECK(item.run);
	CHECK_EQUAL(uc_command_next(&reader, 1001, &item), 1);
	CHECK(!item.run);
	CHECK_EQUAL(item.result.result, UC_RESULT_EXPIRED);
}

static void a_wrong_command_is_answered_not_run(void)
{
	static const struct {
		uint32_t kind;
		uint32_t body_bytes;
		uint32_t result;
	} wrong[] = {
		{ 0, 0, UC_RESULT_UNSUPPORTED },
		{ UC_COMMAND_QUIESCE + 1, 0, UC_RESULT_UNSUPPORTED },
		{ UC_COMMAND_PING, 8, UC_RESULT_MALFORMED },
		{ UC_COMMAND_START_MONITORING, 7, UC_RESULT_MALFORMED },
		{ UC_COMMAND_STOP_MONITORING, 1, UC_RESULT_MALFORMED },
		{ UC_COMMAND_KILL_PROCESS, 8, UC_RESULT_MALFORMED },
		{ UC_COMMAND_KILL_PROCESS, 24, UC_RESULT_MALFORMED },
		{ UC_COMMAND_RULES_BEGIN, 8, UC_RESULT_MALFORMED },
		{ UC_COMMAND_RULES_ADD, 39, UC_RESULT_MALFORMED },
		{ UC_COMMAND_RULES_COMMIT, 0, UC_RESULT_MALFORMED },
		{ UC_COMMAND_UNREGISTER_ACK, 4, UC_RESULT_MALFORMED },
	};
	const uint8_t body[64] = { 0 };
	uint32_t i;

	begin(0);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		send_command(i + 1, wrong[i].kind, 0, body, wrong[i].body_bytes);
		CHECK_EQUAL(uc_command_next(&reader, 0, &item), 1);
		CHECK(!item.run);
		CHECK_EQUAL(item.result.result, wrong[i].result);
		CHECK_EQUAL(item.result.command_id, i + 1);
	}
}

static void what_is_no_command_is_counted_and_skipped(void)
{
	const uint8_t payload[23] = { 0 };

	begin(0);
	uc_producer_write(&producer, UC_RECORD_COMMAND, 0, payload, sizeof(payload));
	uc_producer_write(&producer, UC_RECORD_PROCESS_EXEC, 0, payload, sizeof(payload));
	send_command(9, UC_COMMAND_PING, 0, NULL, 0);
	CHECK_EQUAL(uc_command_next(&reader, 0, &item), 1);
	CHECK_EQUAL(item.id, 9);
	CHECK_EQUAL(reader.commands_failed, 2);
}

/* A frame by hand at the start of the ring, its check computed unless spoilt. */
static void put_frame(struct uc_frame frame, bool spoil, uint64_t tail)
{
	frame.check = HAND_SESSION ^ (frame.sequence * UC_CHECK_MULTIPLIER);
	frame.check ^= spoil;
	memcpy(server.region + map.rings[HAND_COMMAND].ring_offset, &frame, sizeof(frame));
	uc_store_u64(server.region + map.rings[HAND_COMMAND].producer_offset, tail);
}

static void expect_fault(struct uc_frame frame, bool spoil, uint64_t tail, uint32_t fault)
{
	uint64_t head;

	begin(0);
	put_frame(frame, spoil, tail);
	CHECK_EQUAL((uint64_t)-uc_command_next(&reader, 0, &item), fault);
	head = uc_load_u64(server.region + map.rings[HAND_COMMAND].consumer_offset);
	CHECK_EQUAL(head, 0);
	/* Latched: repairing the ring does not help. */
	put_frame((struct uc_frame){ 24, UC_RECORD_COMMAND, 0, 1, 0 }, false, 48);
	CHECK_EQUAL((uint64_t)-uc_command_next(&reader, 0, &item), fault);
}

static void a_broken_ring_stops_the_reader(void)
{
	const uint16_t command = UC_RECORD_COMMAND;
	const uint16_t pad = UC_RECORD_PAD;
	const struct uc_frame good = { 24, command, 0, 1, 0 };

	expect_fault(good, false, CAPACITY + 16, UC_E_TAIL_RANGE);
	expect_fault(good, false, ~0ull - 15, UC_E_TAIL_RANGE);
	expect_fault(good, false, 40, UC_E_TAIL_ALIGN);
	expect_fault((struct uc_frame){ 24, 0, 0, 1, 0 }, false, 48, UC_E_TYPE_ZERO);
	expect_fault((struct uc_frame){ CAPACITY / 8 + 1, command, 0, 1, 0 }, false, CAPACITY,
		     UC_E_LEN_LIMIT);
	expect_fault((struct uc_frame){ ~0u, command, 0, 1, 0 }, false, CAPACITY, UC_E_LEN_LIMIT);
	expect_fault((struct uc_frame){ 33, command, 0, 1, 0 }, false, 48, UC_E_LEN_AVAIL);
	expect_fault((struct uc_frame){ 0, pad, 0, 0, 0 }, false, 48, UC_E_PAD_PLACE);
	expect_fault((struct uc_frame){ CAPACITY - 16, pad, 0, 0, 0 }, false, CAPACITY,
		     UC_E_LEN_LIMIT);
	expect_fault((struct uc_frame){ 24, command, 2, 1, 0 }, false, 48, UC_E_FLAGS);
	expect_fault((struct uc_frame){ 24, command, 0, 0, 0 }, false, 48, UC_E_SEQ);
	expect_fault((struct uc_frame){ 24, command, 0, 0x80000001u, 0 }, false, 48, UC_E_SEQ);
	expect_fault(good, true, 48, UC_E_CHECK);
}

static void a_frame_across_the_end_stops_the_reader(void)
{
	const uint64_t ring = UC_RING_PAGES_OFFSET + HAND_RINGS * 2 * UC_PAGE_BYTES;
	struct uc_frame frame = { 64, UC_RECORD_COMMAND, 0, 0, 0 };
	uint64_t id;

	begin(0);
	for (id = 1; reader.head + 48 < CAPACITY; id++) {
		send_command(id, UC_COMMAND_PING, 0, NULL, 0);
		CHECK_EQUAL(uc_command_next(&reader, 0, &item), 1);
	}
	frame.sequence = reader.sequence + 1;
	frame.check = HAND_SESSION ^ (frame.sequence * UC_CHECK_MULTIPLIER);
	memcpy(server.region + ring + (reader.head & (CAPACITY - 1)), &frame, sizeof(frame));
	uc_store_u64(server.region + map.rings[HAND_COMMAND].producer_offset, reader.head + 80);
	CHECK_EQUAL((uint64_t)-uc_command_next(&reader, 0, &item), UC_E_CROSS_END);
}

static void a_larger_ring_than_the_buffer_is_refused(void)
{
	struct uc_ring_place place;

	begin(0);
	place = *uc_region_ring(&map, UC_RING_COMMAND, 0);
	CHECK(uc_command_place(&reader, server.region, &place));
	CHECK_EQUAL(uc_command_next(&reader, 0, &item), 0);
	place.payload_bytes_max++;
	CHECK(!uc_command_place(&reader, server.region, &place));
}

int main(void)
{
	tap_run("commands arrive in order", commands_arrive_in_order);
	tap_run("the ring wraps and gives space back", the_ring_wraps_and_gives_space_back);
	tap_run("a command sent twice runs once", a_command_sent_twice_runs_once);
	tap_run("the window outlives a session but not an epoch",
		the_window_outlives_a_session_but_not_an_epoch);
	tap_run("a late command is not run", a_late_command_is_not_run);
	tap_run("a wrong command is answered, not run", a_wrong_command_is_answered_not_run);
	tap_run("what is no command is counted and skipped",
		what_is_no_command_is_counted_and_skipped);
	tap_run("a broken ring stops the reader", a_broken_ring_stops_the_reader);
	tap_run("a frame across the end stops the reader", a_frame_across_the_end_stops_the_reader);
	tap_run("a larger ring than the buffer is refused",
		a_larger_ring_than_the_buffer_is_refused);
	return tap_end();
}
