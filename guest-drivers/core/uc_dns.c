/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * One pass over the labels of the first question. Called through uc_dns.h; knows nothing of
 * answers, and so of no compression either: in a question's name it is a fault.
 */
#include "uc_dns.h"

#define HEADER_BYTES 12u
#define LABEL_BYTES_MAX 63u
/* Length bytes included. */
#define NAME_WIRE_BYTES_MAX 255u
/* Response, and any operation but the plain query. */
#define FLAGS_NO_QUESTION 0xf8u

static uint16_t read_u16(const uint8_t *at)
{
	return (uint16_t)((uint32_t)at[0] << 8 | at[1]);
}

static uint32_t put_byte(char *name, uint32_t at, uint8_t byte)
{
	if (byte == '.' || byte == '\\') {
		name[at++] = '\\';
		name[at++] = (char)byte;
	} else if (byte > 0x20 && byte < 0x7f) {
		name[at++] = (char)byte;
	} else {
		name[at++] = '\\';
		name[at++] = (char)('0' + byte / 100);
		name[at++] = (char)('0' + byte / 10 % 10);
		name[at++] = (char)('0' + byte % 10);
	}
	return at;
}

/* Reads labels from *at on, up to what follows the name. False: no name can look like this. */
static bool read_name(struct uc_dns_question *question, char *name, const uint8_t *datagram,
		      uint32_t count, uint32_t *at)
{
	const uint32_t begin = *at;
	uint32_t used = 0;
	uint32_t left;

	while (*at < count && datagram[*at] != 0) {
		left = datagram[(*at)++];
		if (left > LABEL_BYTES_MAX || *at + left + 1 - begin > NAME_WIRE_BYTES_MAX)
			return false;
		if (used > 0)
			name[used++] = '.';
		for (; left > 0 && *at < count; left--)
			used = put_byte(name, used, datagram[(*at)++]);
	}
	question->truncated = *at >= count;
	if (used == 0 && !question->truncated)
		name[used++] = '.';
	question->name_bytes = used;
	(*at)++;
	return true;
}

bool uc_dns_read_question(struct uc_dns_question *question, char name[UC_DNS_NAME_BYTES],
			  const uint8_t *datagram, uint32_t count, uint64_t datagram_bytes)
{
	uint32_t at = HEADER_BYTES;

	memset(question, 0, sizeof(*question));
	if (datagram_bytes < HEADER_BYTES)
		return false;
	if (count < HEADER_BYTES) {
		question->truncated = true;
		return count < datagram_bytes;
	}
	if (datagram[2] & FLAGS_NO_QUESTION || read_u16(datagram + 4) == 0)
		return false;
	question->transaction_id = read_u16(datagram);
	if (!read_name(question, name, datagram, count, &at))
		return false;
	if (at + sizeof(uint16_t) <= count)
		question->query_type = read_u16(datagram + at);
	else
		question->truncated = true;
	return true;
}
