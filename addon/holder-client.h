/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to the holder (hypervisor/holder): a line there, lines back, descriptors beside
 * them. Called by holder.cc; lib/native knows what the lines mean.
 */
#ifndef UC_ADDON_HOLDER_CLIENT_H
#define UC_ADDON_HOLDER_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A holder answers at once or is not to be waited for: the caller's event loop stands still. */
#define UC_HOLDER_PATIENCE_SECONDS 2

struct uc_holder_answer {
	/* Room for the lines; an answer that is longer is -EMSGSIZE. */
	uint8_t *text;
	size_t text_bytes;
	/* Set to the caller's from 0 on, close-on-exec; the rest to -1. */
	int32_t *fds;
	size_t fds_max;
};

/*
 * Sends `line` and an end of line, and reads up to the line that begins with "ok" or "error".
 * Bytes of the answer, or -errno, and then no descriptor is left open.
 */
int64_t uc_holder_ask(const char *path, const char *line, const struct uc_holder_answer *answer);

#ifdef __cplusplus
}
#endif

#endif /* UC_ADDON_HOLDER_CLIENT_H */
