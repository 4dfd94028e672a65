/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of a region, by hand and in private memory: superblock, directory, session
 * page. For the C tests of the guest core; must not share code with what it tests but the CRC.
 */
#ifndef UC_TEST_HAND_SERVER_H
#define UC_TEST_HAND_SERVER_H

#include <stdint.h>
#include <string.h>

#include "uc_crc32c.h"
#include "uc_region.h"

#include "../../addon/drain.h"
#include "../../addon/producer.h"

#define HAND_REGION_BYTES 0x100000u
#define HAND_RINGS 4u
#define HAND_COMMAND 0u
#define HAND_PRIORITY 1u
#define HAND_DATA 2u
#define HAND_EPOCH 7u
#define HAND_SESSION 0x5e551011u

struct hand_server {
	_Alignas(4096) uint8_t region[HAND_REGION_BYTES];
	struct uc_superblock superblock;
	struct uc_directory_entry entries[UC_DIRECTORY_MAX];
};

/* Writes superblock and directory as they stand in *server, with their checksum. */
static inline void hand_seal(struct hand_server *server)
{
	uint32_t crc;

	memset(server->region, 0, UC_PAGE_BYTES);
	server->superblock.header_crc32c = 0;
	memcpy(server->region, &server->superblock, sizeof(server->superblock));
	memcpy(server->region + UC_DIRECTORY_OFFSET, server->entries,
	       (UC_PAGE_BYTES - UC_DIRECTORY_OFFSET) / sizeof(server->entries[0]) *
		       sizeof(server->entries[0]));
	crc = uc_crc32c(server->region, UC_PAGE_BYTES);
	server->superblock.header_crc32c = crc;
	memcpy(server->region, &server->superblock, sizeof(server->superblock));
}

/* A command ring, a priority ring and two data rings of that capacity. */
static inline void hand_init(struct hand_server *server, uint32_t data_log2)
{
	struct uc_directory_entry *entry;
	uint64_t ring_offset = UC_RING_PAGES_OFFSET + HAND_RINGS * 2 * UC_PAGE_BYTES;
	uint32_t i;

	memset(server, 0, sizeof(*server));
	server->superblock.magic = UC_MAGIC;
	server->superblock.layout_version = UC_WIRE_MAJOR;
	server->superblock.protocol_min = UC_PROTOCOL_MIN;
	server->superblock.protocol_max = UC_PROTOCOL_MAX;
	server->superblock.region_bytes = HAND_REGION_BYTES;
	server->superblock.server_epoch = HAND_EPOCH;
	server->superblock.features_offered = UC_FEATURES_KNOWN;
	server->superblock.record_bytes_max = UC_RECORD_BYTES_MAX;
	server->superblock.directory_count = HAND_RINGS;
	for (i = 0; i < HAND_RINGS; i++) {
		entry = &server->entries[i];
		entry->kind = i == HAND_COMMAND  ? UC_RING_COMMAND :
			      i == HAND_PRIORITY ? UC_RING_PRIORITY :
						   UC_RING_DATA;
		entry->lane = i >= HAND_DATA ? i - HAND_DATA : 0;
		entry->capacity_log2 = data_log2;
		entry->producer_offset = UC_RING_PAGES_OFFSET + i * 2 * UC_PAGE_BYTES;
		entry->consumer_offset = entry->producer_offset + UC_PAGE_BYTES;
		entry->ring_offset = ring_offset;
		ring_offset += 1ull << data_log2;
	}
	hand_seal(server);
}

static inline struct uc_session hand_session(const struct hand_server *server, uint32_t state)
{
	struct uc_session session;
	struct uc_hello hello;

	memcpy(&hello, server->region + UC_HELLO_OFFSET, sizeof(hello));
	memset(&session, 0, sizeof(session));
	session.state = state;
	session.session_id = HAND_SESSION;
	session.hello_seq = hello.hello_seq;
	memcpy(session.boot_id, hello.boot_id, sizeof(session.boot_id));
	session.features = hello.features_accepted;
	session.server_epoch = server->superblock.server_epoch;
	return session;
}

static inline void hand_answer(struct hand_server *server, const struct uc_session *session)
{
	memcpy(server->region + UC_SESSION_OFFSET, session, sizeof(*session));
}

static inline struct uc_placement hand_placement(const struct hand_server *server, uint32_t ring)
{
	const struct uc_directory_entry *entry = &server->entries[ring];
	struct uc_placement placement = { entry->ring_offset, entry->producer_offset,
					  entry->consumer_offset, entry->capacity_log2 };

	return placement;
}

/* The product's own drain over one ring of the region. */
struct hand_reader {
	struct uc_consumer consumer;
	uint8_t batch[0x40000];
	uint32_t records[4096 * UC_RECORD_STRIDE];
	uint64_t stats[UC_CONSUMER_STATS];
};

static inline int hand_read(struct hand_reader *reader, struct hand_server *server, uint32_t ring,
			    uint64_t features)
{
	struct uc_consumer_config config;
	int error;

	memset(&config, 0, sizeof(config));
	memset(reader->stats, 0, sizeof(reader->stats));
	config.region = server->region;
	config.region_bytes = HAND_REGION_BYTES;
	config.placement = hand_placement(server, ring);
	config.record_bytes_max = server->superblock.record_bytes_max;
	config.batch = reader->batch;
	config.batch_bytes = sizeof(reader->batch);
	config.records_max = 4096;
	config.records = reader->records;
	config.stats = reader->stats;
	error = uc_consumer_init(&reader->consumer, &config);
	uc_consumer_start_session(&reader->consumer, HAND_SESSION, 0, features, 0);
	return error;
}

static inline uint32_t hand_type(const struct hand_reader *reader, uint32_t index)
{
	return reader->records[index * UC_RECORD_STRIDE + 2] & 0xffff;
}

static inline const uint8_t *hand_payload(const struct hand_reader *reader, uint32_t index)
{
	return reader->batch + reader->records[index * UC_RECORD_STRIDE];
}

static inline uint32_t hand_length(const struct hand_reader *reader, uint32_t index)
{
	return reader->records[index * UC_RECORD_STRIDE + 1];
}

#endif /* UC_TEST_HAND_SERVER_H */
