/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C by SSE4.2 where the processor has it, else by a table of sixteen. Called through
 * crc32c.h only. UC_CRC_PORTABLE leaves the instruction out, for tests of the table.
 */
#include "crc32c.h"

#include <string.h>

#include "../guest-drivers/wire/uc_wire.h"

#define CHECK_OFFSET 12

static uint32_t crc_portable(uint32_t crc, const uint8_t *data, uint32_t bytes)
{
	/* CRC of each nibble, reflected polynomial 0x82f63b78. */
	static const uint32_t nibbles[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (uint32_t i = 0; i < bytes; i++) {
		crc ^= data[i];
		crc = (crc >> 4) ^ nibbles[crc & 15];
		crc = (crc >> 4) ^ nibbles[crc & 15];
	}
	return crc;
}

#if defined(__x86_64__) && !defined(UC_CRC_PORTABLE)
static int has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) static uint32_t crc_instruction(uint32_t crc, const uint8_t *data,
								  uint32_t bytes)
{
	uint64_t wide = crc;
	uint64_t word;

	for (; bytes >= 8; bytes -= 8, data += 8) {
		memcpy(&word, data, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; bytes > 0; bytes--)
		crc = __builtin_ia32_crc32qi(crc, *data++);
	return crc;
}
#else
static int has_instruction(void)
{
	return 0;
}

static uint32_t crc_instruction(uint32_t crc, const uint8_t *data, uint32_t bytes)
{
	return crc_portable(crc, data, bytes);
}
#endif

uint32_t uc_frame_crc(const uint8_t *frame, uint32_t session_id, const uint8_t *payload,
		      uint32_t bytes)
{
	uint8_t head[UC_FRAME_BYTES];
	uint32_t crc = 0xffffffffu;

	memcpy(head, frame, sizeof(head));
	memcpy(head + CHECK_OFFSET, &session_id, sizeof(session_id));
	if (has_instruction()) {
		crc = crc_instruction(crc, head, sizeof(head));
		crc = crc_instruction(crc, payload, bytes);
	} else {
		crc = crc_portable(crc, head, sizeof(head));
		crc = crc_portable(crc, payload, bytes);
	}
	return ~crc;
}
