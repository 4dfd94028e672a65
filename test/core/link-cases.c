/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Superblock checks and the registration machine of the guest core, against a server by hand
 * that answers well, badly, late, twice and for somebody else.
 */
#include "hand-server.h"
#include "tap.h"
#include "uc_link.h"

#define SECOND_NS 1000000000ull

static struct hand_server server;
static struct uc_region_map map;
static struct uc_link link_;
static uint8_t page[UC_PAGE_BYTES];
static uint32_t parks;
static uint32_t starts;
static int start_error;
static bool open_gate;
static uint64_t now_ns;

static void park(void *context)
{
	(void)context;
	parks++;
	open_gate = false;
}

static int start(void *context, const struct uc_link *link)
{
	(void)context;
	(void)link;
	if (start_error)
		return start_error;
	starts++;
	open_gate = true;
	return 0;
}

static void stamp(void *context, struct uc_hello *hello)
{
	(void)context;
	hello->clock_boottime_ns = now_ns;
	hello->clock_realtime_ns = now_ns + 5;
	hello->sequence = 77;
}

static const struct uc_link_ops ops = { park, start, stamp };

static struct uc_hello hello_in_region(void)
{
	struct uc_hello hello;

	memcpy(&hello, server.region + UC_HELLO_OFFSET, sizeof(hello));
	return hello;
}

static void begin(void)
{
	struct uc_hello hello;

	memset(&hello, 0, sizeof(hello));
	memset(hello.boot_id, 0xb0, sizeof(hello.boot_id));
	hello.attach_ns = 3;
	hello.os = UC_OS_SIMULATED;
	hand_init(&server, 14);
	parks = 0;
	starts = 0;
	start_error = 0;
	open_gate = false;
	now_ns = 10 * SECOND_NS;
	uc_link_init(&link_, server.region, HAND_REGION_BYTES, &ops, NULL, &hello,
		     UC_FEATURE_CRC32C);
}

static void answer(uint32_t state)
{
	struct uc_session session = hand_session(&server, state);

	hand_answer(&server, &session);
}

static void make_ready(void)
{
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	answer(UC_SESSION_READY);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_READY);
	CHECK(open_gate);
}

static int read_map(void)
{
	return uc_region_read(&map, server.region, HAND_REGION_BYTES, page);
}

static void a_good_superblock_is_read(void)
{
	const struct uc_ring_place *place;

	begin();
	CHECK_EQUAL(read_map(), 0);
	CHECK_EQUAL(map.ring_count, HAND_RINGS);
	CHECK_EQUAL(uc_region_data_rings(&map), 2);
	place = uc_region_ring(&map, UC_RING_DATA, 1);
	CHECK(place != NULL);
	CHECK_EQUAL(place->ring_offset, server.entries[3].ring_offset);
	CHECK_EQUAL(place->payload_bytes_max, (1u << 14) / 8);
	CHECK(uc_region_ring(&map, UC_RING_DATA, 2) == NULL);
	CHECK_EQUAL(uc_region_epoch(server.region), HAND_EPOCH);
}

/* Damages one thing, seals the page again unless told not to, and expects that error. */
#define EXPECT_REFUSED(change, error)                                                              \
	do {                                                                                       \
		begin();                                                                           \
		change;                                                                            \
		hand_seal(&server);                                                                \
		CHECK_EQUAL((uint64_t)-read_map(), (uint64_t)(error));                             \
	} while (0)

static void a_bad_superblock_is_refused(void)
{
	begin();
	server.region[900] ^= 1;
	CHECK_EQUAL((uint64_t)-read_map(), UC_REGION_E_CRC);
	EXPECT_REFUSED(server.superblock.magic++, UC_REGION_E_MAGIC);
	EXPECT_REFUSED(server.superblock.layout_version++, UC_REGION_E_VERSION);
	EXPECT_REFUSED(server.superblock.protocol_min = 2; server.superblock.protocol_max = 9,
		       UC_REGION_E_PROTOCOL);
	EXPECT_REFUSED(server.superblock.protocol_min = 0; server.superblock.protocol_max = 0,
		       UC_REGION_E_PROTOCOL);
	EXPECT_REFUSED(server.superblock.region_bytes *= 2, UC_REGION_E_SIZE);
	EXPECT_REFUSED(server.superblock.features_required = 1ull << 40, UC_REGION_E_FEATURES);
	begin();
	CHECK_EQUAL((uint64_t)-uc_region_read(&map, server.region, 4096, page), UC_REGION_E_SIZE);
}

static void a_bad_directory_is_refused(void)
{
	struct uc_directory_entry *entries = server.entries;
	const uint64_t end = HAND_REGION_BYTES;
	const int error = UC_REGION_E_DIRECTORY;

	EXPECT_REFUSED(server.superblock.directory_count = UC_DIRECTORY_MAX + 1, error);
	EXPECT_REFUSED(server.superblock.directory_count = ~0u, error);
	EXPECT_REFUSED(entries[1].kind = 0, error);
	EXPECT_REFUSED(entries[1].kind = UC_RING_PACKET + 1, error);
	EXPECT_REFUSED(entries[1].capacity_log2 = UC_RING_CAPACITY_LOG2_MIN - 1, error);
	EXPECT_REFUSED(entries[1].capacity_log2 = UC_RING_CAPACITY_LOG2_MAX + 1, error);
	EXPECT_REFUSED(entries[1].capacity_log2 = 64, error);
	EXPECT_REFUSED(entries[1].capacity_log2 = UC_RING_CAPACITY_LOG2_MAX, error);
	EXPECT_REFUSED(entries[1].ring_offset = end, error);
	EXPECT_REFUSED(entries[1].ring_offset = ~0ull - 4095, error);
	EXPECT_REFUSED(entries[1].ring_offset += 16, error);
	EXPECT_REFUSED(entries[1].ring_offset = entries[2].ring_offset, error);
	EXPECT_REFUSED(entries[1].ring_offset -= 4096, error);
	EXPECT_REFUSED(entries[1].producer_offset = UC_HELLO_OFFSET, error);
	EXPECT_REFUSED(entries[1].producer_offset = 0, error);
	EXPECT_REFUSED(entries[1].producer_offset = entries[1].consumer_offset, error);
	EXPECT_REFUSED(entries[1].consumer_offset = entries[0].consumer_offset, error);
	EXPECT_REFUSED(entries[1].consumer_offset = entries[2].ring_offset + 4096, error);
	EXPECT_REFUSED(entries[1].consumer_offset = end, error);
	EXPECT_REFUSED(entries[3].lane = 0, error);
}

static void a_hello_leads_to_a_session(void)
{
	struct uc_hello hello;

	begin();
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	hello = hello_in_region();
	CHECK_EQUAL(hello.hello_seq, 1);
	CHECK_EQUAL(hello.protocol, UC_PROTOCOL_MAX);
	CHECK_EQUAL(hello.features_accepted, UC_FEATURE_CRC32C);
	CHECK_EQUAL(hello.server_epoch, HAND_EPOCH);
	CHECK_EQUAL(hello.clock_boottime_ns, now_ns);
	CHECK_EQUAL(hello.sequence, 77);
	CHECK_EQUAL(parks, 1);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	answer(UC_SESSION_OFFER);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	CHECK(!open_gate);
	answer(UC_SESSION_READY);
	start_error = -1;
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	start_error = 0;
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_READY);
	CHECK_EQUAL(starts, 1);
	CHECK_EQUAL(link_.session.session_id, HAND_SESSION);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_READY);
	CHECK_EQUAL(starts, 1);
}

/* The gate stays shut for every READY that is not the answer to this hello. */
static void an_answer_for_somebody_else_is_ignored(void)
{
	struct uc_session session;

	begin();
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	session = hand_session(&server, UC_SESSION_READY);
	session.hello_seq++;
	hand_answer(&server, &session);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	session = hand_session(&server, UC_SESSION_READY);
	session.boot_id[15] ^= 1;
	hand_answer(&server, &session);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	session = hand_session(&server, UC_SESSION_READY);
	session.server_epoch++;
	hand_answer(&server, &session);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	session = hand_session(&server, UC_SESSION_READY);
	session.features |= UC_FEATURE_DOORBELL;
	hand_answer(&server, &session);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	CHECK_EQUAL(starts, 0);
	answer(UC_SESSION_READY);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_READY);
}

static void a_stale_ready_of_a_predecessor_is_not_ours(void)
{
	begin();
	make_ready();
	uc_link_init(&link_, server.region, HAND_REGION_BYTES, &ops, NULL, &link_.hello,
		     UC_FEATURE_CRC32C);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	CHECK_EQUAL(hello_in_region().hello_seq, 2);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	/* Also when somebody wiped the hello page: the session page still remembers. */
	memset(server.region + UC_HELLO_OFFSET, 0, UC_PAGE_BYTES);
	uc_link_init(&link_, server.region, HAND_REGION_BYTES, &ops, NULL, &link_.hello, 0);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	CHECK_EQUAL(hello_in_region().hello_seq, 2);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
}

static void a_new_epoch_starts_over(void)
{
	begin();
	make_ready();
	server.superblock.server_epoch++;
	hand_seal(&server);
	now_ns += 2 * SECOND_NS;
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	CHECK(!open_gate);
	CHECK_EQUAL(hello_in_region().hello_seq, 2);
	CHECK_EQUAL(hello_in_region().server_epoch, HAND_EPOCH + 1);
	answer(UC_SESSION_READY);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_READY);
	CHECK_EQUAL(link_.sessions, 2);
}

static void a_torn_superblock_is_asked_again(void)
{
	begin();
	server.region[100] ^= 1;
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_OFFLINE);
	CHECK_EQUAL((uint64_t)-link_.region_error, UC_REGION_E_CRC);
	server.region[100] ^= 1;
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_OFFLINE);
	now_ns += UC_LINK_RETRY_NS;
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	CHECK_EQUAL(link_.region_error, 0);
}

static void a_required_feature_that_we_lack_keeps_us_out(void)
{
	begin();
	server.superblock.features_required = UC_FEATURE_DOORBELL;
	hand_seal(&server);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_OFFLINE);
	CHECK_EQUAL((uint64_t)-link_.region_error, UC_REGION_E_FEATURES);
	CHECK_EQUAL(hello_in_region().hello_seq, 0);
}

static void a_closed_session_leads_to_a_new_hello(void)
{
	struct uc_session session;

	begin();
	make_ready();
	answer(UC_SESSION_CLOSED);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_OFFLINE);
	CHECK(!open_gate);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_OFFLINE);
	now_ns += SECOND_NS;
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
	answer(UC_SESSION_READY);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_READY);
	session = hand_session(&server, UC_SESSION_READY);
	session.session_id++;
	hand_answer(&server, &session);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_OFFLINE);
	CHECK(!open_gate);
}

static void quarantine_waits_longer_each_time(void)
{
	uint64_t wait_ns = SECOND_NS;
	uint64_t hellos = 1;
	uint32_t i;

	begin();
	make_ready();
	for (i = 0; i < 10; i++) {
		answer(UC_SESSION_QUARANTINED);
		CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_QUARANTINED);
		CHECK(!open_gate);
		now_ns += wait_ns - 1;
		CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_QUARANTINED);
		CHECK_EQUAL(hello_in_region().hello_seq, hellos);
		now_ns += 1;
		CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_HELLO_SENT);
		hellos++;
		wait_ns = wait_ns * 2 < UC_LINK_QUARANTINE_NS_MAX ? wait_ns * 2 :
								    UC_LINK_QUARANTINE_NS_MAX;
	}
}

static void hellos_are_limited_to_one_a_second_and_twenty_an_hour(void)
{
	uint64_t end_ns = 10 * SECOND_NS + UC_LINK_HELLO_WINDOW_NS;
	uint64_t last_ns = 0;
	uint64_t seen = 0;
	uint64_t hellos = 0;

	begin();
	for (; now_ns < end_ns; now_ns += SECOND_NS / 4) {
		uc_link_poll(&link_, now_ns);
		if (hello_in_region().hello_seq != seen) {
			CHECK(hellos == 0 || now_ns - last_ns >= SECOND_NS);
			seen = hello_in_region().hello_seq;
			last_ns = now_ns;
			hellos++;
			answer(UC_SESSION_CLOSED);
		}
	}
	CHECK_EQUAL(hellos, UC_LINK_HELLOS_MAX);
	uc_link_poll(&link_, end_ns);
	CHECK_EQUAL(hello_in_region().hello_seq, seen + 1);
}

static void quiesce_parks_until_the_session_is_gone(void)
{
	begin();
	make_ready();
	answer(UC_SESSION_QUIESCE);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_QUIESCED);
	CHECK(!open_gate);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_QUIESCED);
	now_ns += 2 * SECOND_NS;
	server.superblock.server_epoch++;
	hand_seal(&server);
	make_ready();
	uc_link_quiesce(&link_);
	CHECK(!open_gate);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_QUIESCED);
	answer(UC_SESSION_CLOSED);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_OFFLINE);
}

static void leaving_ends_with_the_session_or_with_patience(void)
{
	begin();
	make_ready();
	uc_link_leave(&link_);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_LEAVING);
	CHECK(open_gate);
	answer(UC_SESSION_CLOSED);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_LEFT);
	CHECK(!open_gate);
	begin();
	make_ready();
	uc_link_leave(&link_);
	uc_link_finish(&link_);
	CHECK(!open_gate);
	server.superblock.server_epoch++;
	hand_seal(&server);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns + SECOND_NS), UC_LINK_LEFT);
	begin();
	uc_link_leave(&link_);
	CHECK_EQUAL(uc_link_poll(&link_, now_ns), UC_LINK_LEFT);
	CHECK_EQUAL(hello_in_region().hello_seq, 0);
}

static void the_status_page_is_written_whole(void)
{
	struct uc_status status;
	struct uc_status read;

	begin();
	memset(&status, 0x5a, sizeof(status));
	status.heartbeat = 9;
	uc_region_write_status(server.region, &status);
	memcpy(&read, server.region + UC_STATUS_OFFSET, sizeof(read));
	CHECK(memcmp(&read, &status, sizeof(read)) == 0);
}

int main(void)
{
	tap_run("a good superblock is read", a_good_superblock_is_read);
	tap_run("a bad superblock is refused", a_bad_superblock_is_refused);
	tap_run("a bad directory is refused", a_bad_directory_is_refused);
	tap_run("a hello leads to a session", a_hello_leads_to_a_session);
	tap_run("an answer for somebody else is ignored", an_answer_for_somebody_else_is_ignored);
	tap_run("a stale READY of a predecessor is not ours",
		a_stale_ready_of_a_predecessor_is_not_ours);
	tap_run("a new epoch starts over", a_new_epoch_starts_over);
	tap_run("a torn superblock is asked again", a_torn_superblock_is_asked_again);
	tap_run("a required feature that we lack keeps us out",
		a_required_feature_that_we_lack_keeps_us_out);
	tap_run("a closed session leads to a new hello", a_closed_session_leads_to_a_new_hello);
	tap_run("quarantine waits longer each time", quarantine_waits_longer_each_time);
	tap_run("hellos are limited to one a second and twenty an hour",
		hellos_are_limited_to_one_a_second_and_twenty_an_hour);
	tap_run("quiesce parks until the session is gone", quiesce_parks_until_the_session_is_gone);
	tap_run("leaving ends with the session or with patience",
		leaving_ends_with_the_session_or_with_patience);
	tap_run("the status page is written whole", the_status_page_is_written_whole);
	return tap_end();
}
