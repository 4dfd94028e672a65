/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Texts: UTF-16 of the kernel to UTF-8 of the wire, and the folded form in which paths are compared
 * with rules. The kernel's own conversions may not be called everywhere; these may.
 */
#include "undercroft.h"

#define REPLACEMENT 0xfffdu

/* Takes one character; *at moves by one or two units. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static uint32_t take(const WCHAR *text, uint32_t units, uint32_t *at)
{
	const uint32_t unit = (uint16_t)text[(*at)++];
	uint32_t low;

	if (unit < 0xd800 || unit > 0xdfff)
		return unit;
	if (unit > 0xdbff || *at >= units)
		return REPLACEMENT;
	low = (uint16_t)text[*at];
	if (low < 0xdc00 || low > 0xdfff)
		return REPLACEMENT;
	(*at)++;
	return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static uint32_t bytes_of(uint32_t character)
{
	if (character < 0x80)
		return 1;
	if (character < 0x800)
		return 2;
	return character < 0x10000 ? 3 : 4;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void put(uint8_t *target, uint32_t character, uint32_t bytes)
{
	static const uint8_t heads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	uint32_t i;

	for (i = bytes - 1; i > 0; i--) {
		target[i] = (uint8_t)(0x80 | (character & 0x3f));
		character >>= 6;
	}
	target[0] = (uint8_t)(bytes == 1 ? character : heads[bytes] | character);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
uint32_t uc_utf8_bytes(const WCHAR *text, uint32_t units)
{
	uint32_t bytes = 0;
	uint32_t at = 0;

	while (at < units)
		bytes += bytes_of(take(text, units, &at));
	return bytes;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
uint32_t uc_utf8_from(const WCHAR *text, uint32_t units, uint8_t *target, uint32_t room)
{
	uint32_t character;
	uint32_t used = 0;
	uint32_t bytes;
	uint32_t at = 0;

	while (at < units) {
		character = take(text, units, &at);
		bytes = bytes_of(character);
		if (bytes > room - used)
			break;
		put(target + used, character, bytes);
		used += bytes;
	}
	return used;
}

/* Capital letters of two bytes whose small ones have two bytes as well. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static uint32_t fold_character(uint32_t character)
{
	if (character >= 0xc0 && character <= 0xde && character != 0xd7)
		return character + 0x20;
	if (character >= 0x391 && character <= 0x3a9 && character != 0x3a2)
		return character + 0x20;
	if (character >= 0x410 && character <= 0x42f)
		return character + 0x20;
	if (character >= 0x400 && character <= 0x40f)
		return character + 0x50;
	return character;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void uc_fold(uint8_t *text, uint32_t bytes)
{
	uint32_t at;

	for (at = 0; at < bytes; at++) {
		if (text[at] == '\\') {
			text[at] = '/';
		} else if (text[at] >= 'A' && text[at] <= 'Z') {
			text[at] += 'a' - 'A';
		} else if ((text[at] & 0xe0) == 0xc0 && at + 1 < bytes &&
			   (text[at + 1] & 0xc0) == 0x80) {
			put(text + at,
			    fold_character((text[at] & 0x1fu) << 6 | (text[at + 1] & 0x3fu)), 2);
			at++;
		}
	}
}

_IRQL_requires_max_(DISPATCH_LEVEL)
uint32_t uc_put_number(char *target, uint64_t number)
{
	char digits[20];
	uint32_t count = 0;
	uint32_t i;

	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	for (i = 0; i < count; i++)
		target[i] = digits[count - 1 - i];
	return count;
}
