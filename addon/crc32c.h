/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C of frames in private memory, for drain.c and producer.c. Guards against accident, not
 * malice. Must not be pointed at the region.
 */
#ifndef UC_ADDON_CRC32C_H
#define UC_ADDON_CRC32C_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CRC of a frame followed by its payload, session_id standing in the frame's check field. */
uint32_t uc_frame_crc(const uint8_t *frame, uint32_t session_id, const uint8_t *payload,
		      uint32_t bytes);

#ifdef __cplusplus
}
#endif

#endif /* UC_ADDON_CRC32C_H */
