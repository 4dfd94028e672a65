/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's ring producer against the product's own drain: what is written arrives, what is
 * lost is counted and named, and no head of the server can make it write where it must not.
 */
#include "hand-server.h"
#include "tap.h"
#include "uc_encode.h"
#include "uc_ring.h"

#define CAPACITY_LOG2 14u
#define CAPACITY (1u << CAPACITY_LOG2)
#define PAYLOAD_MAX (CAPACITY / 8)

static struct hand_server server;
static struct hand_reader reader;
static struct uc_region_map map;
static struct uc_sequence sequence;
static struct uc_ring ring;
static uint8_t page[UC_PAGE_BYTES];
static uint8_t staging[PAYLOAD_MAX];

static void begin(uint64_t features)
{
	hand_init(&server, CAPACITY_LOG2);
	CHECK_EQUAL(uc_region_read(&map, server.region, HAND_REGION_BYTES, page), 0);
	memset(&sequence, 0, sizeof(sequence));
	uc_ring_init(&ring, server.region, uc_region_ring(&map, UC_RING_DATA, 0),
		     UC_MAP_WRITE_COMBINING, staging, &sequence);
	CHECK_EQUAL(uc_ring_start(&ring, HAND_SESSION, features), 0);
	CHECK_EQUAL(hand_read(&reader, &server, HAND_DATA, features), 0);
}

/* One record whose payload repeats its sequence; false when it was lost. */
static bool put(uint32_t bytes, bool urgent)
{
	uint8_t *to = uc_ring_reserve(&ring, UC_RECORD_FILE_OPEN, bytes);
	uint64_t word = uc_ring_reserved_sequence(&ring);
	uint32_t i;

	if (!to)
		return false;
	for (i = 0; i < bytes; i++)
		to[i] = (uint8_t)(word + i);
	uc_ring_commit(&ring, bytes, 0, urgent);
	return true;
}

static uint64_t shared_tail(void)
{
	return uc_load_u64(server.region + map.rings[HAND_DATA].producer_offset);
}

static void set_head(uint64_t head)
{
	uc_store_u64(server.region + map.rings[HAND_DATA].consumer_offset, head);
}

static void records_arrive(void)
{
	uint32_t i;
	int count;

	begin(0);
	for (i = 0; i < 10; i++)
		CHECK(put(40 + i, false));
	CHECK_EQUAL(shared_tail(), 0);
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 0);
	uc_ring_publish(&ring);
	count = uc_consumer_drain(&reader.consumer);
	CHECK_EQUAL(count, 10);
	for (i = 0; i < 10; i++) {
		CHECK_EQUAL(hand_type(&reader, i), UC_RECORD_FILE_OPEN);
		CHECK_EQUAL(hand_length(&reader, i), 40 + i);
		CHECK_EQUAL(hand_payload(&reader, i)[0], i + 1);
		CHECK_EQUAL(hand_payload(&reader, i)[39], i + 40);
	}
}

static void publishing_is_batched(void)
{
	uint32_t before;

	begin(0);
	put(100, false);
	CHECK_EQUAL(shared_tail(), 0);
	put(100, true);
	CHECK_EQUAL(shared_tail(), 2 * 128);
	for (before = 0; before + 128 < ring.publish_bytes; before += 128)
		put(100, false);
	CHECK_EQUAL(shared_tail(), 2 * 128);
	put(100, false);
	CHECK_EQUAL(shared_tail(), 2 * 128 + ring.publish_bytes);
	put(100, false);
	uc_ring_tick(&ring);
	CHECK_EQUAL(shared_tail(), 3 * 128 + ring.publish_bytes);
}

static void padding_is_zero(void)
{
	uint64_t offset = map.rings[HAND_DATA].ring_offset;
	uint32_t i;

	begin(0);
	memset(server.region + offset, 0xff, CAPACITY);
	put(33, true);
	for (i = 33; i < 48; i++)
		CHECK_EQUAL(server.region[offset + UC_FRAME_BYTES + i], 0);
	CHECK_EQUAL(server.region[offset + UC_FRAME_BYTES + 48], 0xff);
}

static void a_full_ring_loses_the_newest(void)
{
	struct uc_status status;
	struct uc_lost lost;
	uint32_t kept = 0;
	uint32_t i;
	int count;

	begin(0);
	while (put(1000, false))
		kept++;
	CHECK_EQUAL(kept, CAPACITY / 1024);
	for (i = 0; i < 4; i++)
		CHECK(!put(1000, false));
	uc_ring_drop(&ring, UC_RECORD_FILE_WRITE, UC_LOSS_RATE_LIMITED);
	uc_ring_publish(&ring);
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), kept);
	CHECK(put(64, false));
	uc_ring_publish(&ring);
	count = uc_consumer_drain(&reader.consumer);
	CHECK_EQUAL(count, 3);
	CHECK_EQUAL(hand_type(&reader, 0), UC_RECORD_LOST);
	memcpy(&lost, hand_payload(&reader, 0), sizeof(lost));
	CHECK_EQUAL(lost.reason, UC_LOSS_FULL);
	CHECK_EQUAL(lost.record_class, UC_CLASS_FILE);
	CHECK_EQUAL(lost.count, 5);
	CHECK_EQUAL(lost.first_sequence, kept + 1);
	CHECK_EQUAL(lost.last_sequence, kept + 5);
	memcpy(&lost, hand_payload(&reader, 1), sizeof(lost));
	CHECK_EQUAL(lost.reason, UC_LOSS_RATE_LIMITED);
	CHECK_EQUAL(lost.count, 1);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_MISSING], 6);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_NAMED], 6);
	CHECK_EQUAL(sequence.last, kept + 7);
	memset(&status, 0, sizeof(status));
	uc_ring_add_losses(&ring, &status);
	CHECK_EQUAL(status.lost[uc_loss_index(UC_CLASS_FILE, UC_LOSS_FULL)], 5);
	CHECK_EQUAL(status.lost[uc_loss_index(UC_CLASS_FILE, UC_LOSS_RATE_LIMITED)], 1);
}

static void a_tick_names_loss_by_itself(void)
{
	begin(0);
	CHECK(put(64, true));
	CHECK(!put(PAYLOAD_MAX + 1, false));
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 1);
	uc_ring_tick(&ring);
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 1);
	CHECK_EQUAL(hand_type(&reader, 0), UC_RECORD_LOST);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_MISSING], 1);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_NAMED], 1);
	CHECK_EQUAL(ring.lost[uc_loss_index(UC_CLASS_FILE, UC_LOSS_TOO_BIG)], 1);
	CHECK_EQUAL(uc_load_u64(ring.producer_page + offsetof(struct uc_ring_producer, attempted)),
		    3);
	CHECK_EQUAL(uc_load_u64(ring.producer_page + offsetof(struct uc_ring_producer, dropped)),
		    1);
}

static void outside_a_session_everything_is_lost_and_counted(void)
{
	struct uc_losses losses;
	struct uc_status status;

	begin(0);
	uc_ring_stop(&ring);
	CHECK(!put(64, true));
	CHECK(!uc_ring_tick(&ring));
	CHECK_EQUAL(shared_tail(), 0);
	memset(&losses, 0, sizeof(losses));
	uc_losses_add(&losses, &sequence, UC_RECORD_PROCESS_EXEC, UC_LOSS_REENTRY);
	uc_losses_add(&losses, &sequence, 0x4242, 99);
	memset(&status, 0, sizeof(status));
	uc_ring_add_losses(&ring, &status);
	uc_losses_add_to(&losses, &status);
	CHECK_EQUAL(status.lost[uc_loss_index(UC_CLASS_FILE, UC_LOSS_NOT_READY)], 1);
	CHECK_EQUAL(status.lost[uc_loss_index(UC_CLASS_PROCESS, UC_LOSS_REENTRY)], 1);
	CHECK_EQUAL(status.lost[0], 1);
	CHECK_EQUAL(sequence.last, 3);
	CHECK_EQUAL(uc_ring_start(&ring, HAND_SESSION, 0), 0);
	CHECK(put(64, true));
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 1);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_MISSING], 0);
	CHECK_EQUAL(hand_payload(&reader, 0)[0], 4);
}

static void an_abandoned_record_is_named(void)
{
	struct uc_lost lost;

	begin(0);
	CHECK(uc_ring_reserve(&ring, UC_RECORD_PROCESS_EXIT, 64) != NULL);
	uc_ring_abort(&ring, UC_LOSS_ENCODE_ERROR);
	uc_ring_abort(&ring, UC_LOSS_ENCODE_ERROR);
	CHECK(!uc_ring_commit(&ring, 64, 0, true));
	uc_ring_tick(&ring);
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 1);
	memcpy(&lost, hand_payload(&reader, 0), sizeof(lost));
	CHECK_EQUAL(lost.reason, UC_LOSS_ENCODE_ERROR);
	CHECK_EQUAL(lost.record_class, UC_CLASS_PROCESS);
	CHECK_EQUAL(lost.count, 1);
}

/* TRUST: whatever head the server shows, the ring never writes over unread records. */
static void an_impossible_head_means_full(void)
{
	const uint64_t heads[] = { ~0ull, 1ull << 63, CAPACITY + 16, 8, 0ull - CAPACITY,
				   CAPACITY + CAPACITY };
	uint64_t faults;
	uint32_t i;

	begin(0);
	while (put(1000, true))
		;
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		faults = ring.server_faults;
		set_head(heads[i]);
		CHECK(!put(1000, true));
		CHECK_EQUAL(ring.server_faults, faults + 1);
		CHECK_EQUAL(shared_tail(), CAPACITY);
	}
	set_head(1024);
	CHECK(put(500, true));
	faults = ring.server_faults;
	set_head(0);
	while (put(500, true))
		;
	CHECK(ring.server_faults > faults);
}

/* A head in front of what was published, but behind what was written, is impossible too. */
static void a_head_beyond_the_published_tail_is_a_fault(void)
{
	begin(0);
	while (ring.tail + 1008 <= CAPACITY)
		put(992, false);
	CHECK(ring.tail > ring.published);
	set_head(ring.tail);
	CHECK(!put(992, false));
	CHECK(ring.server_faults > 0);
}

static void a_crc_covers_frame_and_payload(void)
{
	uint64_t offset = map.rings[HAND_DATA].ring_offset;
	uint32_t i;

	begin(UC_FEATURE_CRC32C);
	for (i = 0; i < 3 * CAPACITY / 512; i++) {
		CHECK(put(400 + i % 90, true));
		CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 1);
	}
	CHECK(reader.stats[UC_CONSUMER_PADS] > 0);
	CHECK(put(400, true));
	offset += (ring.tail - 64) & (CAPACITY - 1);
	server.region[offset] ^= 1;
	CHECK_EQUAL((uint64_t)-uc_consumer_drain(&reader.consumer), UC_E_CHECK);
	uc_ring_init(&ring, server.region, uc_region_ring(&map, UC_RING_DATA, 0), UC_MAP_WRITE_BACK,
		     NULL, &sequence);
	CHECK(uc_ring_start(&ring, HAND_SESSION, UC_FEATURE_CRC32C) != 0);
}

static void the_doorbell_rings_when_the_wake_position_is_crossed(void)
{
	uint8_t *wake_at;

	begin(UC_FEATURE_DOORBELL);
	wake_at = server.region + map.rings[HAND_DATA].consumer_offset +
		  offsetof(struct uc_ring_consumer, wake_at);
	uc_store_u64(wake_at, 1);
	uc_ring_reserve(&ring, UC_RECORD_FILE_OPEN, 48);
	CHECK(uc_ring_commit(&ring, 48, 0, true));
	uc_ring_reserve(&ring, UC_RECORD_FILE_OPEN, 48);
	CHECK(!uc_ring_commit(&ring, 48, 0, true));
	uc_store_u64(wake_at, 64 * 4);
	uc_ring_reserve(&ring, UC_RECORD_FILE_OPEN, 48);
	CHECK(!uc_ring_commit(&ring, 48, 0, true));
	uc_ring_reserve(&ring, UC_RECORD_FILE_OPEN, 48);
	CHECK(uc_ring_commit(&ring, 48, 0, true));
	CHECK(!uc_ring_publish(&ring));
}

static void a_short_commit_after_a_wrap_keeps_the_pad(void)
{
	uint32_t i;

	begin(0);
	for (i = 0; i < 7; i++)
		CHECK(put(PAYLOAD_MAX, true));
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 7);
	CHECK(uc_ring_reserve(&ring, UC_RECORD_FILE_OPEN, PAYLOAD_MAX) != NULL);
	uc_ring_commit(&ring, 17, UC_FRAME_TRUNCATED, true);
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 1);
	CHECK_EQUAL(hand_length(&reader, 0), 17);
	CHECK_EQUAL(reader.records[2] >> 16, UC_FRAME_TRUNCATED);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_PADS], 1);
}

static void a_written_record_carries_its_sequence(void)
{
	uint64_t payload[16] = { 0 };
	uint64_t first;
	bool doorbell = false;

	begin(0);
	payload[1] = 42;
	CHECK(put(64, false));
	CHECK(uc_ring_write(&ring, UC_RECORD_PROCESS_EXIT, UC_FRAME_TRUNCATED, payload,
			    sizeof(payload), true, &doorbell));
	CHECK(!uc_ring_write(&ring, UC_RECORD_PROCESS_EXIT, 0, payload, 8, true, &doorbell));
	CHECK_EQUAL(uc_consumer_drain(&reader.consumer), 2);
	memcpy(&first, hand_payload(&reader, 1), sizeof(first));
	CHECK_EQUAL(first, 2);
	CHECK_EQUAL(hand_payload(&reader, 1)[8], 42);
	CHECK_EQUAL(ring.fields_truncated, 1);
	CHECK(!doorbell);
	CHECK_EQUAL(ring.lost[uc_loss_index(UC_CLASS_PROCESS, UC_LOSS_ENCODE_ERROR)], 1);
}

/* Sums over a long random run: attempted = delivered + missing, and everything missing is named. */
static void every_frame_is_delivered_or_named(void)
{
	uint64_t seed = 20261123;
	uint64_t delivered = 0;
	uint64_t last_global = 0;
	uint64_t global;
	uint64_t dice;
	uint32_t turn;
	int count;
	int i;

	begin(0);
	for (turn = 0; turn < 200000; turn++) {
		dice = tap_random(&seed);
		if (dice % 16 == 0) {
			uc_ring_tick(&ring);
		} else if (dice % 61 == 1) {
			count = uc_consumer_drain(&reader.consumer);
			CHECK(count >= 0);
			for (i = 0; i < count; i++) {
				if (hand_type(&reader, (uint32_t)i) == UC_RECORD_LOST)
					continue;
				memcpy(&global, hand_payload(&reader, (uint32_t)i), sizeof(global));
				CHECK(global > last_global);
				last_global = global;
				delivered++;
			}
		} else if (dice % 16 == 2) {
			uc_ring_drop(&ring, UC_RECORD_PROCESS_FORK, UC_LOSS_RATE_LIMITED);
		} else {
			uint64_t payload[300];
			bool doorbell = false;

			memset(payload, 0xaa, sizeof(payload));
			uc_ring_write(&ring, UC_RECORD_FILE_OPEN, 0, payload,
				      (uint32_t)(72 + (dice >> 32) % 2200), dice & 1, &doorbell);
		}
	}
	while ((count = uc_consumer_drain(&reader.consumer)) != 0 || ring.pending_mask) {
		CHECK(count >= 0);
		for (i = 0; i < count; i++)
			delivered += hand_type(&reader, (uint32_t)i) != UC_RECORD_LOST;
		uc_ring_tick(&ring);
	}
	CHECK(reader.stats[UC_CONSUMER_MISSING] > 1000);
	CHECK(delivered > 10000);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_NAMED], reader.stats[UC_CONSUMER_MISSING]);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_MISSING], ring.dropped);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_DELIVERED] + ring.dropped, ring.attempted);
	CHECK_EQUAL(delivered, ring.records);
	CHECK_EQUAL(delivered + ring.dropped, sequence.last);
	CHECK_EQUAL(reader.stats[UC_CONSUMER_FAULTS], 0);
}

int main(void)
{
	tap_run("records arrive as written", records_arrive);
	tap_run("publishing is batched, urgent and by tick", publishing_is_batched);
	tap_run("padding is zero", padding_is_zero);
	tap_run("a full ring loses the newest and names it", a_full_ring_loses_the_newest);
	tap_run("a tick names loss by itself", a_tick_names_loss_by_itself);
	tap_run("outside a session everything is lost and counted",
		outside_a_session_everything_is_lost_and_counted);
	tap_run("an abandoned record is named", an_abandoned_record_is_named);
	tap_run("an impossible head means full", an_impossible_head_means_full);
	tap_run("a head beyond the published tail is a fault",
		a_head_beyond_the_published_tail_is_a_fault);
	tap_run("a CRC covers frame and payload", a_crc_covers_frame_and_payload);
	tap_run("the doorbell rings when the wake position is crossed",
		the_doorbell_rings_when_the_wake_position_is_crossed);
	tap_run("a short commit after a wrap keeps the pad",
		a_short_commit_after_a_wrap_keeps_the_pad);
	tap_run("a written record carries its sequence", a_written_record_carries_its_sequence);
	tap_run("every frame is delivered or named", every_frame_is_delivered_or_named);
	return tap_end();
}
