/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to name servers as the guest core reads them: good ones, cut ones, and noise. */
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "uc_dns.h"

static struct uc_dns_question question;
static char name[UC_DNS_NAME_BYTES];

/* A copy of its own size, so that the sanitizer sees each byte read too far. */
static bool read_exactly(const uint8_t *bytes, uint32_t count, uint64_t datagram_bytes)
{
	uint8_t *copy = malloc(count > 0 ? count : 1);
	bool is_question;

	memcpy(copy, bytes, count);
	is_question = uc_dns_read_question(&question, name, copy, count, datagram_bytes);
	free(copy);
	return is_question;
}

static bool name_is(const char *text)
{
	return question.name_bytes == strlen(text) && memcmp(name, text, strlen(text)) == 0;
}

#define HEAD(flags) 0xbe, 0xef, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0

static void a_question_is_read(void)
{
	static const uint8_t plain[] = { HEAD(1), 3, 'w', 'w', 'w', 7, 'e', 'x', 'a', 'm', 'p', 'l',
					 'e',	  3, 'c', 'o', 'm', 0, 0,   28,	 0,   1 };
	static const uint8_t root[] = { HEAD(0), 0, 0, 2, 0, 1 };
	static const uint8_t odd[] = { HEAD(0), 5, 'a', '.', '\\', ' ', 0xff, 0, 0, 1, 0, 1 };

	CHECK(read_exactly(plain, sizeof(plain), sizeof(plain)));
	CHECK(name_is("www.example.com"));
	CHECK_EQUAL(question.transaction_id, 0xbeef);
	CHECK_EQUAL(question.query_type, 28);
	CHECK(!question.truncated);
	CHECK(read_exactly(root, sizeof(root), sizeof(root)));
	CHECK(name_is("."));
	CHECK_EQUAL(question.query_type, 2);
	CHECK(read_exactly(odd, sizeof(odd), sizeof(odd)));
	CHECK(name_is("a\\.\\\\\\032\\255"));
}

static void what_is_no_question_is_refused(void)
{
	static const uint8_t response[] = { HEAD(0x80), 1, 'a', 0, 0, 1, 0, 1 };
	static const uint8_t update[] = { HEAD(0x28), 1, 'a', 0, 0, 1, 0, 1 };
	static const uint8_t none[] = { 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1 };
	static const uint8_t compressed[] = { HEAD(0), 1, 'a', 0xc0, 12, 0, 1, 0, 1 };

	CHECK(!read_exactly(response, sizeof(response), sizeof(response)));
	CHECK(!read_exactly(update, sizeof(update), sizeof(update)));
	CHECK(!read_exactly(none, sizeof(none), sizeof(none)));
	CHECK(!read_exactly(compressed, sizeof(compressed), sizeof(compressed)));
	CHECK(!read_exactly(none, 11, 11));
	CHECK(!read_exactly(none, 0, 0));
}

static void what_could_not_be_copied_is_told_as_cut(void)
{
	static const uint8_t bytes[] = { HEAD(0), 3, 'w', 'w', 'w', 2, 'd', 'e', 0, 0, 1, 0, 1 };
	uint32_t count;

	for (count = 0; count < sizeof(bytes) - 2; count++) {
		CHECK(read_exactly(bytes, count, sizeof(bytes)));
		CHECK(question.truncated);
		CHECK(question.name_bytes <= 6 && memcmp(name, "www.de", question.name_bytes) == 0);
	}
	CHECK(read_exactly(bytes, sizeof(bytes) - 2, sizeof(bytes)));
	CHECK(!question.truncated);
	CHECK(name_is("www.de"));
}

static void the_longest_name_fits_and_no_longer_one(void)
{
	uint8_t bytes[UC_DNS_DATAGRAM_BYTES] = { HEAD(0) };
	uint32_t at = 12;
	uint32_t label;

	for (label = 0; label < 3; label++) {
		bytes[at] = 63;
		memset(bytes + at + 1, 0x01, 63);
		at += 64;
	}
	bytes[at] = 61;
	memset(bytes + at + 1, 0x01, 61);
	CHECK(read_exactly(bytes, sizeof(bytes), sizeof(bytes)));
	CHECK_EQUAL(question.name_bytes, (3 * 63 + 61) * 4 + 3);
	bytes[at] = 62;
	bytes[at + 62] = 0x01;
	CHECK(!read_exactly(bytes, sizeof(bytes), sizeof(bytes)));
}

static void noise_stays_within_its_room(void)
{
	uint8_t bytes[UC_DNS_DATAGRAM_BYTES] = { HEAD(0) };
	uint32_t questions = 0;
	uint32_t round;
	uint32_t count;
	uint32_t at;

	srand(1);
	for (round = 0; round < 50000; round++) {
		count = (uint32_t)rand() % (sizeof(bytes) + 1);
		for (at = 12; at < sizeof(bytes); at++)
			bytes[at] = (uint8_t)(rand() % 4 ? rand() : rand() % 8);
		questions += read_exactly(bytes, count, count + (uint32_t)rand() % 3);
		CHECK(question.name_bytes <= UC_DNS_NAME_BYTES);
	}
	CHECK(questions > 0 && questions < round);
}

int main(void)
{
	tap_run("a question is read", a_question_is_read);
	tap_run("what is no question is refused", what_is_no_question_is_refused);
	tap_run("what could not be copied is told as cut", what_could_not_be_copied_is_told_as_cut);
	tap_run("the longest name fits and no longer one", the_longest_name_fits_and_no_longer_one);
	tap_run("noise stays within its room", noise_stays_within_its_room);
	return tap_end();
}
