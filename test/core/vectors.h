/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers of the program that vector-source.ts generates from the golden vectors: it encodes each
 * one with the guest core and prints the bytes, one line a vector, for the test to compare.
 */
#ifndef UC_TEST_VECTORS_H
#define UC_TEST_VECTORS_H

#include <stdio.h>

#include "hand-server.h"
#include "uc_command.h"
#include "uc_encode.h"
#include "uc_rules.h"

static struct hand_server server;
static struct hand_reader reader;
static struct uc_region_map map;
static struct uc_sequence sequence;
static struct uc_ring ring;
static uint8_t page[UC_PAGE_BYTES];
static uint64_t staging[8192];
static uint64_t payload[8192];

static void print_hex(const void *bytes, size_t count)
{
	const uint8_t *at = (const uint8_t *)bytes;
	size_t i;

	for (i = 0; i < count; i++)
		printf("%02x", at[i]);
}

static void print_vector(const char *file, unsigned index, const void *bytes, size_t count)
{
	printf("%s %u ", file, index);
	print_hex(bytes, count);
	printf("\n");
}

/* Pages and rings are printed up to their last byte that is not zero. */
static size_t without_trailing_zeros(const uint8_t *bytes, size_t count)
{
	while (count > 0 && bytes[count - 1] == 0)
		count--;
	return count;
}

static void begin_server(uint32_t log2)
{
	hand_init(&server, log2);
	if (uc_region_read(&map, server.region, HAND_REGION_BYTES, page) != 0)
		printf("error: the superblock by hand is refused\n");
}

static void begin_ring(uint32_t log2, uint64_t features, uint32_t session_id)
{
	begin_server(log2);
	sequence.last = 0;
	uc_ring_init(&ring, server.region, uc_region_ring(&map, UC_RING_DATA, 0),
		     UC_MAP_WRITE_BACK, staging, &sequence);
	uc_ring_start(&ring, session_id, features);
	hand_read(&reader, &server, HAND_DATA, features);
	uc_consumer_start_session(&reader.consumer, session_id, 0, features, 0);
}

/* A payload that says nothing: counting bytes. */
static void put_filler(uint16_t type, uint32_t bytes)
{
	uint8_t *to = (uint8_t *)uc_ring_reserve(&ring, type, bytes);
	uint32_t i;

	if (!to)
		return;
	for (i = 0; i < bytes; i++)
		to[i] = (uint8_t)i;
	uc_ring_commit(&ring, bytes, 0, true);
}

static void print_ring(unsigned index)
{
	const uint8_t *bytes = server.region + map.rings[HAND_DATA].ring_offset;
	const int count = uc_consumer_drain(&reader.consumer);
	int i;

	printf("rings %u ", index);
	print_hex(bytes, without_trailing_zeros(bytes, ring.capacity));
	printf(" %llu %d", (unsigned long long)ring.tail, count);
	for (i = 0; i < count; i++)
		printf(" %u:%u:%u", hand_type(&reader, (uint32_t)i),
		       hand_length(&reader, (uint32_t)i),
		       reader.records[i * (int)UC_RECORD_STRIDE + 3]);
	printf("\n");
}

/* Feeds a ring image to the drain until it finds the fault. */
static void drain_image(unsigned index, uint32_t log2, uint64_t tail, uint64_t head,
			uint32_t session_id, uint32_t previous_session_id, uint64_t features,
			const uint8_t *image, size_t bytes)
{
	int result;

	begin_server(log2);
	memcpy(server.region + map.rings[HAND_DATA].ring_offset, image, bytes);
	uc_store_u64(server.region + map.rings[HAND_DATA].producer_offset, tail);
	hand_read(&reader, &server, HAND_DATA, features);
	uc_consumer_start_session(&reader.consumer, session_id, previous_session_id, features,
				  head);
	do
		result = uc_consumer_drain(&reader.consumer);
	while (result > 0);
	printf("malformed %u %d\n", index, -result);
}

static void print_superblock(unsigned index, const struct uc_superblock *superblock,
			     const struct uc_directory_entry *entries)
{
	int result;

	memset(&server, 0, sizeof(server));
	server.superblock = *superblock;
	if (superblock->directory_count)
		memcpy(server.entries, entries,
		       superblock->directory_count * sizeof(server.entries[0]));
	hand_seal(&server);
	result = uc_region_read(&map, server.region, superblock->region_bytes, page);
	if (result != 0 || map.ring_count != superblock->directory_count)
		printf("error: superblock %u is refused with %d\n", index, result);
	print_vector("pages", index, server.region,
		     without_trailing_zeros(server.region, UC_PAGE_BYTES));
}

static void print_page(unsigned index, uint32_t offset)
{
	print_vector("pages", index, server.region + offset,
		     without_trailing_zeros(server.region + offset, UC_PAGE_BYTES));
}

static void *vector_allocate(void *context, size_t bytes)
{
	(void)context;
	return bytes <= sizeof(staging) ? staging : NULL;
}

static void vector_release(void *context, void *memory, size_t bytes)
{
	(void)context;
	(void)memory;
	(void)bytes;
}

/* What the driver makes of a command's payload: to be run, unless it is for a redirector. */
static void print_command(unsigned index, uint32_t kind, uint32_t bytes)
{
	static const struct uc_allocator allocator = { vector_allocate, vector_release, NULL };
	static uint64_t buffer[512];
	const struct uc_command_rules_begin begin = { 1, 100, 0 };
	struct uc_rules_builder builder;
	struct uc_command_reader commands;
	struct uc_command_item item;
	struct uc_producer_config config;
	struct uc_producer producer;
	uint64_t stats[UC_PRODUCER_STATS] = { 0 };

	begin_server(14);
	memset(&config, 0, sizeof(config));
	config.region = server.region;
	config.region_bytes = HAND_REGION_BYTES;
	config.placement = hand_placement(&server, HAND_COMMAND);
	config.record_bytes_max = UC_RECORD_BYTES_MAX;
	config.stats = stats;
	uc_producer_init(&producer, &config);
	uc_producer_start_session(&producer, HAND_SESSION, 0);
	uc_command_init(&commands, server.region, uc_region_ring(&map, UC_RING_COMMAND, 0), buffer);
	uc_command_start(&commands, HAND_SESSION, 0, HAND_EPOCH);
	uc_producer_write(&producer, UC_RECORD_COMMAND, 0, (const uint8_t *)payload, bytes);
	uc_producer_publish(&producer);
	if (uc_command_next(&commands, 0, &item) != 1 ||
	    item.run != (kind < UC_COMMAND_REDIRECT_START))
		printf("error: command %u is not meant for whom it should be\n", index);
	if (item.kind == UC_COMMAND_RULES_ADD) {
		memset(&builder, 0, sizeof(builder));
		uc_rules_begin(&builder, &allocator, (const uint8_t *)&begin, sizeof(begin));
		if (uc_rules_add(&builder, item.body, item.body_bytes) != UC_RESULT_DONE)
			printf("error: rules of command %u are refused\n", index);
	}
	print_vector("commands", index, payload, bytes);
}

/* Appends raw bytes to the payload being built, padded to 8. */
static uint32_t append(uint32_t at, const void *bytes, uint32_t count)
{
	memset((uint8_t *)payload + at, 0, (count + 7) & ~7u);
	memcpy((uint8_t *)payload + at, bytes, count);
	return at + ((count + 7) & ~7u);
}

#endif /* UC_TEST_VECTORS_H */
