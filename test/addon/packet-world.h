/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the live packet cases need around the engine: interfaces in the network namespace that the
 * test made, frames to send, and a reader of the packet rings. Exits with 2 when the world fails.
 */
#ifndef UC_TEST_PACKET_WORLD_H
#define UC_TEST_PACKET_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "../../addon/drain.h"
#include "../../addon/packet-engine.h"

#define LANES 2u
#define SESSION 99u
#define FRAME_MAX 65600u

/* What the rings of one lane brought so far. */
struct heard {
	uint64_t packets;
	uint64_t from_guest;
	uint64_t to_guest;
	uint64_t flagged_dropped;
	uint64_t flagged_partial;
	/* Packets whose number does not follow that of the one before from the same side. */
	uint64_t disorder;
	uint64_t lost_named;
	/* The last one. */
	struct uc_packet head;
	uint8_t bytes[FRAME_MAX];
	uint64_t next_number[3];
};

struct world {
	uint8_t *region;
	struct uc_packet_engine *engine;
	struct uc_consumer consumers[LANES];
	uint64_t stats[LANES][UC_CONSUMER_STATS];
	struct heard heard[LANES];
};

/* An engine over LANES rings of that capacity, its session begun on both sides. */
struct world *world_open(uint32_t capacity_log2, uint64_t features);
void world_close(struct world *world);

/* Reads what is there; world_settle() until nothing has come for a while. */
void world_drain(struct world *world);
void world_settle(struct world *world);

struct uc_packet_counts world_counts(struct world *world, uint32_t slot);
void world_add(struct world *world, const struct uc_packet_source *source);

/* A shell command line that must succeed. */
void run(const char *command);

/* A tap that is up, and the descriptor that a guest's QEMU would hold. */
int open_tap(const char *name, bool with_header);
/* A packet socket on an interface; frames can be sent at once. hears: receive, too. */
int open_packet(const char *name, bool hears, bool with_header);

/* An Ethernet frame of our own type that carries a number, tagged with VLAN 7 if asked for. */
uint32_t make_frame(uint8_t *frame, uint32_t bytes, uint64_t number, bool tagged);
/* Ethernet, IPv4 from 10.0.0.2 to 192.0.2.last, UDP, and a number. */
uint32_t make_udp(uint8_t *frame, uint32_t bytes, uint64_t number, uint8_t last);

/* Writes one frame, again while the queue is full. */
void put(int fd, const uint8_t *frame, uint32_t bytes);
/* Reads one frame within a second, or 0. */
uint32_t take(int fd, uint8_t *frame);

void pause_ms(uint32_t ms);
double process_cpu_ms(void);

#endif /* UC_TEST_PACKET_WORLD_H */
