/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * CRC-32C (Castagnoli) over private memory: superblock page and, with UC_FEATURE_CRC32C, frames.
 * Guards against accident, never against malice. Must not be pointed at the region.
 */
#ifndef UC_CRC32C_H
#define UC_CRC32C_H

#include "uc_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Start value for uc_crc32c_update(); uc_crc32c_end() turns its result into the checksum. */
#define UC_CRC32C_START 0xffffffffu

uint32_t uc_crc32c_update(uint32_t state, const void *data, size_t bytes);

static inline uint32_t uc_crc32c_end(uint32_t state)
{
	return ~state;
}

static inline uint32_t uc_crc32c(const void *data, size_t bytes)
{
	return uc_crc32c_end(uc_crc32c_update(UC_CRC32C_START, data, bytes));
}

#ifdef __cplusplus
}
#endif

#endif /* UC_CRC32C_H */
