/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The pages at the start of a region, from the guest's side: reads superblock, directory and
 * session once into private copies, writes hello and status. Called by uc_link.c and drivers.
 * Must not act on a shared byte that it has not copied and checked first.
 */
#ifndef UC_REGION_H
#define UC_REGION_H

#include "uc_port.h"

#include "../wire/uc_wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why a region cannot be used, returned negated. */
#define UC_REGION_E_MAGIC 1
#define UC_REGION_E_VERSION 2
#define UC_REGION_E_PROTOCOL 3
#define UC_REGION_E_CRC 4
#define UC_REGION_E_SIZE 5
#define UC_REGION_E_DIRECTORY 6
#define UC_REGION_E_FEATURES 7

/* One ring of the directory, checked: inside the region, page-aligned, overlapping nothing. */
struct uc_ring_place {
	uint32_t kind;
	uint32_t lane;
	uint32_t capacity_log2;
	/* Largest payload: the least of capacity / 8, the superblock's limit and the wire's. */
	uint32_t payload_bytes_max;
	uint64_t producer_offset;
	uint64_t consumer_offset;
	uint64_t ring_offset;
};

/* TRUST: the guest's private, checked copy of page 0; nothing reads the shared one afterwards
 * but uc_region_epoch(). */
struct uc_region_map {
	uint64_t region_bytes;
	uint8_t server_instance[16];
	uint64_t server_epoch;
	uint64_t features_offered;
	uint64_t features_required;
	uint32_t protocol;
	uint32_t wire_hash;
	uint32_t ring_count;
	uint32_t reserved;
	struct uc_ring_place rings[UC_DIRECTORY_MAX];
};

/*
 * Copies page 0 once into scratch_page (UC_PAGE_BYTES, private) and checks the copy. 0, or
 * -UC_REGION_E_*, in which case *map is not to be used. region_bytes: size of the BAR or file.
 */
int uc_region_read(struct uc_region_map *map, const void *region, uint64_t region_bytes,
		   void *scratch_page);

/* The server's epoch as it stands now: one load, compared with the map's, believed never. */
uint64_t uc_region_epoch(const void *region);

/* The ring of that kind and lane, or NULL. */
const struct uc_ring_place *uc_region_ring(const struct uc_region_map *map, uint32_t kind,
					   uint32_t lane);

/* How many data rings there are: lanes 0..n-1. CPUs beyond them share one under a lock. */
uint32_t uc_region_data_rings(const struct uc_region_map *map);

/* Copies the session page. False when the server changed it meanwhile: ask again later. */
bool uc_region_read_session(struct uc_session *session, const void *region);

/* Writes the hello page, hello_seq last, and makes it visible. */
void uc_region_write_hello(void *region, const struct uc_hello *hello);

/* The hello_seq that stands in the region, left there by whoever came before. */
uint64_t uc_region_hello_seq(const void *region);

/* Writes the status page, heartbeat last, and makes it visible. */
void uc_region_write_status(void *region, const struct uc_status *status);

#ifdef __cplusplus
}
#endif

#endif /* UC_REGION_H */
