/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C with the processor's own instruction where it has one, the portable core's table where
 * not. Called by drain.c and producer.c on private memory only. Guards against accident, not
 * malice.
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
