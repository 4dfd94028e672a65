/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a region file that is cut under its mapping from killing the process: the SIGBUS handler
 * puts anonymous zero pages over the whole mapping and sets its flag, and the access that faulted
 * goes on. So JavaScript that touches a SharedArrayBuffer is covered as well as C that copies.
 * Called by mapping.c only. Faults outside guarded mappings go to the handler that was there.
 */
#ifndef UC_ADDON_SIGBUS_GUARD_H
#define UC_ADDON_SIGBUS_GUARD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UC_GUARDED_MAPPINGS_MAX 4096u

/* 0, or -errno: -ENOSPC when all places are taken. failed is set to 1 by the handler. */
int uc_sigbus_guard_add(void *base, uint64_t bytes, uint32_t *failed);

/* Before munmap, when no thread uses the mapping any more. */
void uc_sigbus_guard_remove(void *base);

#ifdef __cplusplus
}
#endif

#endif /* UC_ADDON_SIGBUS_GUARD_H */
