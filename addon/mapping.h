/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One region mapped once into this process, shared by everything that holds a reference: the
 * JavaScript Mapping, its rings, its SharedArrayBuffer. The last holder unmaps, on any thread.
 * Pure C11, no Node. The descriptor stays the caller's.
 */
#ifndef UC_ADDON_MAPPING_H
#define UC_ADDON_MAPPING_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uc_mapping {
	void *base;
	uint64_t bytes;
	/* 1 once the file was cut under us: the pages read as zeros from then on. */
	uint32_t failed;
	uint32_t holders;
};

/* A sealed, zeroed memfd of that size, or -errno. */
int uc_memfd_create(const char *name, uint64_t bytes);

/* Whether nobody can cut the file any more. */
int uc_fd_sealed(int fd);

/* Maps a descriptor read and write. 0 with one holder, or -errno. */
int uc_mapping_open(int fd, uint64_t bytes, struct uc_mapping **mapping);

void uc_mapping_hold(struct uc_mapping *mapping);
void uc_mapping_release(struct uc_mapping *mapping);

#ifdef __cplusplus
}
#endif

#endif /* UC_ADDON_MAPPING_H */
