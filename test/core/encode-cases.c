/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records with variable fields, in a ring and in a buffer: equal bytes, honest truncation. The
 * bytes of every kind are held to the golden vectors by vector-cases.c.
 */
#include "hand-server.h"
#include "tap.h"
#include "uc_encode.h"

#define LOG2 12u
#define HEADER (uint32_t)sizeof(struct uc_event_header)

static struct hand_server server;
static struct hand_reader reader;
static struct uc_region_map map;
static struct uc_sequence sequence;
static struct uc_ring ring;
static uint8_t page[UC_PAGE_BYTES];
static uint64_t staging[(1u << LOG2) / 8 / 8];
static struct uc_event_header header;
static struct uc_process_exec exec;

static void begin(uint64_t features)
{
	hand_init(&server, LOG2);
	CHECK_EQUAL(uc_region_read(&map, server.region, HAND_REGION_BYTES, page), 0);
	sequence.last = 0;
	uc_ring_init(&ring, server.region, uc_region_ring(&map, UC_RING_PRIORITY, 0),
		     UC_MAP_WRITE_BACK, staging, &sequence);
	CHECK_EQUAL(uc_ring_start(&ring, HAND_SESSION, features), 0);
	CHECK_EQUAL(hand_read(&reader, &server, HAND_PRIORITY, features), 0);
	memset(&header, 0, sizeof(header));
	header.sequence = 1;
	header.pid = 77;
	memset(&exec, 0, sizeof(exec));
	exec.argument_count = 2;
}

static uint32_t fill(struct uc_record *record)
{
	uint32_t room;
	uint8_t *to;

	uc_record_field(record, UC_FIELD_PATH, "/usr/bin/id", 11, false);
	to = uc_record_field_reserve(record, UC_FIELD_ARGUMENTS, 100, &room);
	CHECK(to != NULL);
	CHECK_EQUAL(room, 100);
	memcpy(to, "id\0-u\0", 6);
	uc_record_field_commit(record, 6, false);
	uc_record_field(record, UC_FIELD_CGROUP, "", 0, false);
	return record->used;
}

static void a_ring_and_a_buffer_get_equal_bytes(void)
{
	uint64_t features;
	uint64_t buffer[64];
	struct uc_record record;
	uint16_t flags;
	uint32_t bytes;

	for (features = 0; features <= UC_FEATURE_CRC32C; features += UC_FEATURE_CRC32C) {
		begin(features);
		memset(server.region + map.rings[HAND_PRIORITY].ring_offset, 0xee, 1u << LOG2);
		CHECK(uc_record_begin(&record, &ring, UC_RECORD_PROCESS_EXEC, &header, &exec,
				      uc_field_bytes(11) + uc_field_bytes(100) + 8));
		fill(&record);
		uc_record_end(&record, true);
		CHECK(uc_record_begin_buffer(&record, buffer, sizeof(buffer),
					     UC_RECORD_PROCESS_EXEC, &header, &exec));
		fill(&record);
		bytes = uc_record_end_buffer(&record, &flags);
		CHECK_EQUAL(flags, 0);
		CHECK_EQUAL(bytes, HEADER + sizeof(exec) + 24 + 16 + 8);
		CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 1);
		CHECK_EQUAL(hand_length(&reader, 0), bytes);
		CHECK(memcmp(hand_payload(&reader, 0), buffer, bytes) == 0);
	}
}

static void what_does_not_fit_is_cut_and_flagged(void)
{
	char text[64];
	struct uc_record record;
	struct uc_field field;
	const uint8_t *at;

	begin(0);
	memset(text, 'x', sizeof(text));
	CHECK(uc_record_begin(&record, &ring, UC_RECORD_PROCESS_EXEC, &header, &exec, 40));
	uc_record_field(&record, UC_FIELD_PATH, text, 64, false);
	uc_record_field(&record, UC_FIELD_ARGUMENTS, text, 1, false);
	uc_record_end(&record, true);
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 1);
	CHECK_EQUAL(reader.records[2] >> 16, UC_FRAME_TRUNCATED);
	CHECK_EQUAL(hand_length(&reader, 0), HEADER + sizeof(exec) + 40);
	at = hand_payload(&reader, 0) + HEADER + sizeof(exec);
	memcpy(&field, at, sizeof(field));
	CHECK_EQUAL(field.type, UC_FIELD_PATH);
	CHECK_EQUAL(field.flags, UC_FIELD_FLAG_TRUNCATED);
	CHECK_EQUAL(field.length, 32);
	CHECK_EQUAL(ring.fields_truncated, 2);
}

static void a_field_that_the_caller_cut_is_flagged(void)
{
	struct uc_record record;
	uint32_t room;

	begin(0);
	CHECK(uc_record_begin(&record, &ring, UC_RECORD_PROCESS_EXEC, &header, &exec, 100));
	CHECK(uc_record_field_reserve(&record, UC_FIELD_ARGUMENTS, 10, &room) != NULL);
	uc_record_field_commit(&record, 0, true);
	CHECK(uc_record_field_reserve(&record, UC_FIELD_PATH, 10, &room) != NULL);
	/* More than was granted: the rest is not counted in. */
	uc_record_field_commit(&record, 4000, false);
	CHECK_EQUAL(record.used, HEADER + sizeof(exec) + 8 + 24);
	uc_record_end(&record, true);
	CHECK_EQUAL(ring.fields_truncated, 2);
}

static void a_bound_beyond_the_ring_is_cut_to_it(void)
{
	static char text[8192];
	struct uc_record record;

	begin(0);
	CHECK(uc_record_begin(&record, &ring, UC_RECORD_PROCESS_EXEC, &header, &exec, ~0u));
	uc_record_field(&record, UC_FIELD_PATH, text, sizeof(text), false);
	uc_record_end(&record, true);
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 1);
	CHECK_EQUAL(hand_length(&reader, 0), (1u << LOG2) / 8);
	CHECK_EQUAL(ring.fields_truncated, 1);
}

static void a_kind_without_a_body_is_an_encode_error(void)
{
	const uint16_t kinds[] = { 0, UC_RECORD_PAD, UC_RECORD_LOST, UC_RECORD_COMMAND, 0x0108,
				   0x0200, 0x0208, 0x0309, 0x0400, 0x0408, 0x0703, 0x0801,
				   0x4242 };
	struct uc_record record;
	uint64_t buffer[64];
	uint32_t i;

	begin(0);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		CHECK_EQUAL(uc_body_bytes(kinds[i]), UC_BODY_NONE);
		CHECK(!uc_record_begin(&record, &ring, kinds[i], &header, &exec, 0));
		CHECK(!uc_record_begin_buffer(&record, buffer, sizeof(buffer), kinds[i], &header,
					      &exec));
	}
	CHECK_EQUAL(ring.dropped, sizeof(kinds) / sizeof(kinds[0]));
	CHECK(!uc_record_begin_buffer(&record, buffer, HEADER + sizeof(exec) - 1,
				      UC_RECORD_PROCESS_EXEC, &header, &exec));
}

static void an_aborted_record_counts_as_encode_error(void)
{
	struct uc_record record;

	begin(0);
	CHECK(uc_record_begin(&record, &ring, UC_RECORD_PROCESS_EXEC, &header, &exec, 100));
	uc_record_abort(&record);
	CHECK_EQUAL(ring.lost[uc_loss_index(UC_CLASS_PROCESS, UC_LOSS_ENCODE_ERROR)], 1);
}

static void a_record_without_fields_is_put_in_one_call(void)
{
	struct uc_clock clock = { 11, 22 };
	bool doorbell = false;

	begin(0);
	CHECK(uc_record_put(&ring, UC_RECORD_CLOCK, &header, &clock, true, &doorbell));
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 1);
	CHECK_EQUAL(hand_length(&reader, 0), HEADER + sizeof(clock));
	CHECK(memcmp(hand_payload(&reader, 0) + HEADER, &clock, sizeof(clock)) == 0);
	uc_ring_stop(&ring);
	CHECK(!uc_record_put(&ring, UC_RECORD_CLOCK, &header, &clock, true, &doorbell));
}

int main(void)
{
	tap_run("a ring and a buffer get equal bytes", a_ring_and_a_buffer_get_equal_bytes);
	tap_run("what does not fit is cut and flagged", what_does_not_fit_is_cut_and_flagged);
	tap_run("a field that the caller cut is flagged", a_field_that_the_caller_cut_is_flagged);
	tap_run("a bound beyond the ring is cut to it", a_bound_beyond_the_ring_is_cut_to_it);
	tap_run("a kind without a body is an encode error",
		a_kind_without_a_body_is_an_encode_error);
	tap_run("an aborted record counts as encode error",
		an_aborted_record_counts_as_encode_error);
	tap_run("a record without fields is put in one call",
		a_record_without_fields_is_put_in_one_call);
	return tap_end();
}
