/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum and the rate limiter of the guest core. */
#include <string.h>

#include "tap.h"
#include "uc_crc32c.h"
#include "uc_limit.h"

#define SECOND_NS 1000000000ull

static uint32_t crc_by_bits(const uint8_t *bytes, size_t count)
{
	uint32_t crc = ~0u;
	size_t i;
	int bit;

	for (i = 0; i < count; i++) {
		crc ^= bytes[i];
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void the_checksum_is_castagnoli(void)
{
	uint8_t bytes[256];
	uint32_t i;

	CHECK_EQUAL(uc_crc32c("123456789", 9), 0xe3069283u);
	CHECK_EQUAL(uc_crc32c("", 0), 0);
	for (i = 0; i < 256; i++) {
		bytes[i] = (uint8_t)i;
		CHECK_EQUAL(uc_crc32c(&bytes[i], 1), crc_by_bits(&bytes[i], 1));
	}
	CHECK_EQUAL(uc_crc32c(bytes, 256), crc_by_bits(bytes, 256));
}

static void the_checksum_can_be_taken_in_pieces(void)
{
	uint32_t state = uc_crc32c_update(UC_CRC32C_START, "12345", 5);

	state = uc_crc32c_update(state, "", 0);
	state = uc_crc32c_update(state, "6789", 4);
	CHECK_EQUAL(uc_crc32c_end(state), 0xe3069283u);
}

static void a_burst_passes_and_then_the_rate(void)
{
	struct uc_limit limit;
	uint64_t now_ns = 5 * SECOND_NS;
	uint32_t passed = 0;
	uint32_t i;

	uc_limit_init(&limit, 100, 20);
	for (i = 0; i < 50; i++)
		passed += uc_limit_take(&limit, now_ns);
	CHECK_EQUAL(passed, 20);
	/* Half a second at 100/s, asked far more often than that. */
	passed = 0;
	for (i = 0; i < 5000; i++) {
		now_ns += SECOND_NS / 10000;
		passed += uc_limit_take(&limit, now_ns);
	}
	CHECK_EQUAL(passed, 50);
	/* A long silence fills the bucket, and not more than the bucket. */
	now_ns += 3600 * SECOND_NS;
	passed = 0;
	for (i = 0; i < 50; i++)
		passed += uc_limit_take(&limit, now_ns);
	CHECK_EQUAL(passed, 20);
}

static void extreme_rates_hold(void)
{
	struct uc_limit limit;

	uc_limit_init(&limit, 0, 0);
	CHECK(uc_limit_take(&limit, SECOND_NS));
	CHECK(!uc_limit_take(&limit, SECOND_NS));
	CHECK(!uc_limit_take(&limit, 2 * SECOND_NS - 1));
	CHECK(uc_limit_take(&limit, 2 * SECOND_NS));
	uc_limit_init(&limit, ~0u, ~0u);
	CHECK(uc_limit_take(&limit, ~0ull - 5 * SECOND_NS));
}

int main(void)
{
	tap_run("the checksum is Castagnoli's", the_checksum_is_castagnoli);
	tap_run("the checksum can be taken in pieces", the_checksum_can_be_taken_in_pieces);
	tap_run("a burst passes and then the rate", a_burst_passes_and_then_the_rate);
	tap_run("extreme rates hold", extreme_rates_hold);
	return tap_end();
}
