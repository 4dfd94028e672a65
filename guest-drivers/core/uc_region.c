/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Copies of the shared pages and their checks. Called by uc_link.c and drivers through
 * uc_region.h. TRUST: the server is trusted more than a guest is, but its page may be torn, old
 * or of another program: nothing in it is used before it has been checked in the copy.
 */
#include "uc_region.h"

#include "../wire/uc_wire_check.gen.h"
#include "uc_crc32c.h"

/* Half-open span of the region that something occupies. */
struct extent {
	uint64_t start;
	uint64_t end;
};

static bool is_power_of_two(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

/* Page-aligned, behind the fixed pages, inside the region. bytes <= region_bytes is known. */
static bool fits(uint64_t offset, uint64_t bytes, uint64_t region_bytes)
{
	return offset % UC_PAGE_BYTES == 0 && offset >= UC_RING_PAGES_OFFSET &&
	       offset <= region_bytes - bytes;
}

static bool overlap(const struct extent *left, const struct extent *right)
{
	return left->start < right->end && right->start < left->end;
}

static void place_extents(const struct uc_ring_place *place, struct extent extents[3])
{
	extents[0].start = place->producer_offset;
	extents[0].end = place->producer_offset + UC_PAGE_BYTES;
	extents[1].start = place->consumer_offset;
	extents[1].end = place->consumer_offset + UC_PAGE_BYTES;
	extents[2].start = place->ring_offset;
	extents[2].end = place->ring_offset + (1ull << place->capacity_log2);
}

/* Nine comparisons for two rings; three for a ring with itself. */
static bool places_overlap(const struct uc_ring_place *left, const struct uc_ring_place *right)
{
	struct extent left_extents[3];
	struct extent right_extents[3];
	uint32_t i;
	uint32_t j;

	place_extents(left, left_extents);
	place_extents(right, right_extents);
	for (i = 0; i < 3; i++) {
		for (j = left == right ? i + 1 : 0; j < 3; j++) {
			if (overlap(&left_extents[i], &right_extents[j]))
				return true;
		}
	}
	return false;
}

static int read_entry(struct uc_ring_place *place, const struct uc_directory_entry *entry,
		      const struct uc_superblock *superblock)
{
	uint64_t capacity;
	uint64_t limit;

	if (entry->kind < UC_RING_COMMAND || entry->kind > UC_RING_PACKET)
		return -UC_REGION_E_DIRECTORY;
	if (entry->capacity_log2 < UC_RING_CAPACITY_LOG2_MIN ||
	    entry->capacity_log2 > UC_RING_CAPACITY_LOG2_MAX)
		return -UC_REGION_E_DIRECTORY;
	capacity = 1ull << entry->capacity_log2;
	if (capacity > superblock->region_bytes ||
	    !fits(entry->ring_offset, capacity, superblock->region_bytes) ||
	    !fits(entry->producer_offset, UC_PAGE_BYTES, superblock->region_bytes) ||
	    !fits(entry->consumer_offset, UC_PAGE_BYTES, superblock->region_bytes))
		return -UC_REGION_E_DIRECTORY;

	limit = superblock->record_bytes_max;
	if (limit > UC_RECORD_BYTES_MAX)
		limit = UC_RECORD_BYTES_MAX;
	if (limit > capacity / 8)
		limit = capacity / 8;
	place->kind = entry->kind;
	place->lane = entry->lane;
	place->capacity_log2 = entry->capacity_log2;
	/* A multiple of the frame's alignment, so that a PAD is never longer than a record. */
	place->payload_bytes_max = (uint32_t)limit & ~(UC_FRAME_ALIGN - 1);
	place->producer_offset = entry->producer_offset;
	place->consumer_offset = entry->consumer_offset;
	place->ring_offset = entry->ring_offset;
	return places_overlap(place, place) ? -UC_REGION_E_DIRECTORY : 0;
}

static int read_directory(struct uc_region_map *map, const uint8_t *page,
			  const struct uc_superblock *superblock)
{
	struct uc_directory_entry entry;
	const uint8_t *at = page + UC_DIRECTORY_OFFSET;
	uint32_t i;
	uint32_t j;
	int error;

	if (superblock->directory_count > UC_DIRECTORY_MAX ||
	    superblock->directory_count > (UC_PAGE_BYTES - UC_DIRECTORY_OFFSET) / sizeof(entry))
		return -UC_REGION_E_DIRECTORY;
	for (i = 0; i < superblock->directory_count; i++) {
		memcpy(&entry, at + i * sizeof(entry), sizeof(entry));
		error = read_entry(&map->rings[i], &entry, superblock);
		if (error)
			return error;
		for (j = 0; j < i; j++) {
			if (places_overlap(&map->rings[i], &map->rings[j]) ||
			    (map->rings[i].kind == map->rings[j].kind &&
			     map->rings[i].lane == map->rings[j].lane))
				return -UC_REGION_E_DIRECTORY;
		}
	}
	map->ring_count = superblock->directory_count;
	return 0;
}

static int check_page(uint8_t *page, uint64_t region_bytes, struct uc_superblock *superblock)
{
	const size_t crc_at = offsetof(struct uc_superblock, header_crc32c);

	memcpy(superblock, page, sizeof(*superblock));
	if (superblock->magic != UC_MAGIC)
		return -UC_REGION_E_MAGIC;
	if (superblock->layout_version != UC_WIRE_MAJOR)
		return -UC_REGION_E_VERSION;
	memset(page + crc_at, 0, sizeof(superblock->header_crc32c));
	if (uc_crc32c(page, UC_PAGE_BYTES) != superblock->header_crc32c)
		return -UC_REGION_E_CRC;
	if (superblock->protocol_min > UC_PROTOCOL_MAX ||
	    superblock->protocol_max < UC_PROTOCOL_MIN ||
	    superblock->protocol_min > superblock->protocol_max)
		return -UC_REGION_E_PROTOCOL;
	if (superblock->region_bytes != region_bytes || !is_power_of_two(region_bytes) ||
	    region_bytes < UC_REGION_BYTES_MIN || region_bytes > UC_REGION_BYTES_MAX)
		return -UC_REGION_E_SIZE;
	/* What this build does not know it cannot do; it must not pretend. */
	if (superblock->features_required & ~UC_FEATURES_KNOWN)
		return -UC_REGION_E_FEATURES;
	return 0;
}

int uc_region_read(struct uc_region_map *map, const void *region, uint64_t region_bytes,
		   void *scratch_page)
{
	uint8_t *page = (uint8_t *)scratch_page;
	struct uc_superblock superblock;
	int error;

	if (region_bytes < UC_REGION_BYTES_MIN)
		return -UC_REGION_E_SIZE;
	uc_region_copy(page, region, UC_PAGE_BYTES);
	error = check_page(page, region_bytes, &superblock);
	if (error)
		return error;

	memset(map, 0, sizeof(*map));
	map->region_bytes = superblock.region_bytes;
	memcpy(map->server_instance, superblock.server_instance, sizeof(map->server_instance));
	map->server_epoch = superblock.server_epoch;
	map->features_offered = superblock.features_offered;
	map->features_required = superblock.features_required;
	map->protocol = superblock.protocol_max < UC_PROTOCOL_MAX ? superblock.protocol_max :
								    UC_PROTOCOL_MAX;
	map->wire_hash = superblock.wire_hash;
	return read_directory(map, page, &superblock);
}

uint64_t uc_region_epoch(const void *region)
{
	return uc_load_u64((const uint8_t *)region + UC_SUPERBLOCK_OFFSET +
			   offsetof(struct uc_superblock, server_epoch));
}

const struct uc_ring_place *uc_region_ring(const struct uc_region_map *map, uint32_t kind,
					   uint32_t lane)
{
	uint32_t i;

	for (i = 0; i < map->ring_count; i++) {
		if (map->rings[i].kind == kind && map->rings[i].lane == lane)
			return &map->rings[i];
	}
	return NULL;
}

uint32_t uc_region_data_rings(const struct uc_region_map *map)
{
	uint32_t lane = 0;

	while (uc_region_ring(map, UC_RING_DATA, lane))
		lane++;
	return lane;
}

bool uc_region_read_session(struct uc_session *session, const void *region)
{
	const uint8_t *page = (const uint8_t *)region + UC_SESSION_OFFSET;
	uint64_t before;

	/*
	 * ORDER: the server stores the first word (state, session_id) last, so a word that stands
	 * still around the copy vouches for the rest of the page.
	 */
	before = uc_load_u64(page);
	uc_full_fence();
	uc_region_copy(session, page, sizeof(*session));
	uc_full_fence();
	return uc_load_u64(page) == before && memcmp(session, &before, sizeof(before)) == 0;
}

uint64_t uc_region_hello_seq(const void *region)
{
	return uc_load_u64((const uint8_t *)region + UC_HELLO_OFFSET);
}

void uc_region_write_hello(void *region, const struct uc_hello *hello)
{
	uint8_t *page = (uint8_t *)region + UC_HELLO_OFFSET;
	const size_t first = sizeof(hello->hello_seq);

	uc_region_copy(page + first, (const uint8_t *)hello + first, sizeof(*hello) - first);
	/* ORDER: the page before hello_seq, by which the server knows that the page is whole. */
	uc_store_fence();
	uc_store_u64(page, hello->hello_seq);
	uc_store_fence();
}

void uc_region_write_status(void *region, const struct uc_status *status)
{
	uint8_t *page = (uint8_t *)region + UC_STATUS_OFFSET;
	const size_t first = sizeof(status->heartbeat);

	uc_region_copy(page + first, (const uint8_t *)status + first, sizeof(*status) - first);
	/* ORDER: the counters before the heartbeat that announces them. */
	uc_store_fence();
	uc_store_u64(page, status->heartbeat);
	uc_store_fence();
}
