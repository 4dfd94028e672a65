/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers of packet-live.c; see packet-world.h.
 */
#define _GNU_SOURCE
#include "packet-world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>

#define REGION_BYTES (64u << 20)
#define BATCH_BYTES 0x40000u
#define RECORDS_MAX 4096u
#define OUR_TYPE 0x88b5u
#define QUIET_MS 60u

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
#define PACKET_VNET_HDR_OPTION 15

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

void pause_ms(uint32_t ms)
{
	const struct timespec pause = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&pause, NULL);
}

double process_cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

void run(const char *command)
{
	must(system(command) == 0, command);
}

static void *pages(size_t bytes)
{
	void *made = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(made != MAP_FAILED, "mmap");
	return made;
}

struct world *world_open(uint32_t capacity_log2, uint64_t features)
{
	struct world *world = calloc(1, sizeof(*world));
	struct uc_placement rings[LANES];

	must(world != NULL, "calloc");
	world->region = pages(REGION_BYTES);
	for (uint32_t lane = 0; lane < LANES; lane++) {
		struct uc_consumer_config config = {
			.region = world->region,
			.region_bytes = REGION_BYTES,
			.record_bytes_max = UC_RECORD_BYTES_MAX,
			.batch = pages(BATCH_BYTES),
			.batch_bytes = BATCH_BYTES,
			.records_max = RECORDS_MAX,
			.records = pages(RECORDS_MAX * UC_RECORD_STRIDE * 4),
			.stats = world->stats[lane],
		};

		rings[lane] = (struct uc_placement){
			.ring_offset = (lane + 1) * (uint64_t)(REGION_BYTES / 4),
			.producer_offset = 0x4000 + lane * 0x2000u,
			.consumer_offset = 0x5000 + lane * 0x2000u,
			.capacity_log2 = capacity_log2,
		};
		config.placement = rings[lane];
		must(uc_consumer_init(&world->consumers[lane], &config) == 0, "consumer");
		uc_consumer_start_session(&world->consumers[lane], SESSION, SESSION - 1, features,
					  0);
	}
	const struct uc_packet_engine_config config = {
		.region = world->region,
		.region_bytes = REGION_BYTES,
		.rings = rings,
		.ring_count = LANES,
		.record_bytes_max = UC_RECORD_BYTES_MAX,
	};
	must(uc_packet_engine_open(&world->engine, &config) == 0, "engine");
	must(uc_packet_session_start(world->engine, SESSION, features) == 0, "session");
	return world;
}

void world_close(struct world *world)
{
	uc_packet_engine_close(world->engine);
	for (uint32_t lane = 0; lane < LANES; lane++) {
		munmap(world->consumers[lane].config.batch, BATCH_BYTES);
		munmap(world->consumers[lane].config.records, RECORDS_MAX * UC_RECORD_STRIDE * 4);
	}
	munmap(world->region, REGION_BYTES);
	free(world);
}

/* Our frames end with their number. The canary is deaf once. */
static void hear_packet(struct heard *heard, const uint8_t *record, uint32_t length)
{
#ifdef UC_PACKET_CANARY
	if (heard->packets == 100 && heard->lost_named++ == 0)
		return;
#endif
	must(length >= sizeof(heard->head), "short packet record");
	memcpy(&heard->head, record, sizeof(heard->head));
	const struct uc_packet *head = &heard->head;
	const uint8_t *bytes = record + sizeof(*head);

	must(head->captured_bytes == length - sizeof(*head), "captured bytes");
	must(head->direction == 1 || head->direction == 2, "direction");
	memcpy(heard->bytes, bytes, head->captured_bytes);
	heard->packets++;
	heard->from_guest += head->direction == UC_PACKET_FROM_GUEST;
	heard->to_guest += head->direction == UC_PACKET_TO_GUEST;
	heard->flagged_dropped += (head->flags & UC_PACKET_DROPPED) != 0;
	heard->flagged_partial += (head->flags & UC_PACKET_CHECKSUM_PARTIAL) != 0;
	if (head->captured_bytes < head->original_bytes || head->captured_bytes < 22)
		return;
	uint64_t number;
	memcpy(&number, bytes + head->captured_bytes - sizeof(number), sizeof(number));
	heard->disorder += number != heard->next_number[head->direction];
	heard->next_number[head->direction] = number + 1;
}

static int drain_lane(struct world *world, uint32_t lane)
{
	struct uc_consumer *consumer = &world->consumers[lane];
	const int count = uc_consumer_drain(consumer);

	if (count < 0) {
		fprintf(stderr, "fault %d\n", count);
		exit(2);
	}
	for (int i = 0; i < count; i++) {
		const uint32_t *record = consumer->config.records + i * UC_RECORD_STRIDE;
		const uint8_t *bytes = consumer->config.batch + record[0];
		struct uc_lost lost;

		if ((record[2] & 0xffffu) == UC_RECORD_PACKET) {
			hear_packet(&world->heard[lane], bytes, record[1]);
			continue;
		}
		must((record[2] & 0xffffu) == UC_RECORD_LOST, "kind of record");
		memcpy(&lost, bytes, sizeof(lost));
		world->heard[lane].lost_named += lost.count;
	}
	return count;
}

void world_drain(struct world *world)
{
	for (uint32_t lane = 0; lane < LANES; lane++) {
		while (drain_lane(world, lane) > 0)
			;
	}
}

void world_settle(struct world *world)
{
	uint64_t before;

	/* Twice the time in which the engine says what is missing. */
	for (int quiet = 0; quiet < 4; quiet++) {
		before = world->stats[0][UC_CONSUMER_HEAD] + world->stats[1][UC_CONSUMER_HEAD];
		pause_ms(QUIET_MS);
		world_drain(world);
		if (world->stats[0][UC_CONSUMER_HEAD] + world->stats[1][UC_CONSUMER_HEAD] != before)
			quiet = 0;
	}
}

struct uc_packet_counts world_counts(struct world *world, uint32_t slot)
{
	struct uc_packet_counts counts = { 0 };

	must(uc_packet_status(world->engine, slot, &counts) == 0, "status");
	return counts;
}

void world_add(struct world *world, const struct uc_packet_source *source)
{
	const int error = uc_packet_add(world->engine, source);

	errno = -error;
	must(error == 0, "add");
}

int open_tap(const char *name, bool with_header)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	char command[128];
	const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (with_header)
		request.ifr_flags |= IFF_VNET_HDR;
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	must(fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0, "tap");
	if (with_header)
		must(ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) == 0, "offload");
	snprintf(command, sizeof(command),
		 "ip link set %s addrgenmode none && ip link set %s up", name, name);
	run(command);
	return fd;
}

int open_packet(const char *name, bool hears, bool with_header)
{
	const uint16_t protocol = hears ? htons(ETH_P_ALL) : 0;
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const struct sockaddr_ll address = { .sll_family = AF_PACKET,
					     .sll_protocol = protocol,
					     .sll_ifindex = (int)if_nametoindex(name) };
	const int one = 1;
	const int space = 16 << 20;

	must(fd >= 0, "packet socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &space, sizeof(space));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &space, sizeof(space));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	if (with_header)
		must(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR_OPTION, &one, sizeof(one)) == 0,
		     "header");
	must(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "bind");
	return fd;
}

uint32_t make_frame(uint8_t *frame, uint32_t bytes, uint64_t number, bool tagged)
{
	const uint8_t tag[4] = { 0x81, 0, 0, 7 };
	uint32_t at = 12;

	memset(frame, 0x5a, bytes);
	memcpy(frame, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", at);
	if (tagged) {
		memcpy(frame + at, tag, sizeof(tag));
		at += sizeof(tag);
	}
	frame[at] = OUR_TYPE >> 8;
	frame[at + 1] = OUR_TYPE & 0xff;
	memcpy(frame + bytes - sizeof(number), &number, sizeof(number));
	return bytes;
}

uint32_t make_udp(uint8_t *frame, uint32_t bytes, uint64_t number, uint8_t last)
{
	const uint16_t total = htons((uint16_t)(bytes - 14));
	const uint8_t ip[20] = { 0x45, 0, 0,  0, 0, 0, 0,   0, 64, 17,
				 0,    0, 10, 0, 0, 2, 192, 0, 2,  last };

	make_frame(frame, bytes, number, false);
	frame[12] = 0x08;
	frame[13] = 0x00;
	memcpy(frame + 14, ip, sizeof(ip));
	memcpy(frame + 16, &total, sizeof(total));
	return bytes;
}

void put(int fd, const uint8_t *frame, uint32_t bytes)
{
	for (int tries = 0; tries < 100000; tries++) {
		if (write(fd, frame, bytes) == (ssize_t)bytes)
			return;
		must(errno == EAGAIN || errno == ENOBUFS, "write");
		struct pollfd wait = { .fd = fd, .events = POLLOUT };
		poll(&wait, 1, 1);
	}
	must(false, "put");
}

uint32_t take(int fd, uint8_t *frame)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	if (poll(&wait, 1, 1000) <= 0)
		return 0;
	const ssize_t got = read(fd, frame, FRAME_MAX);

	return got < 0 ? 0 : (uint32_t)got;
}
