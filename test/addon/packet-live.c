/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One live case of the packet thread a run, in the network namespace that the caller made for it.
 * Prints what it sent and what the engine counted as one JSON object; packet-live.test.ts knows
 * what must come out. Every case is bounded in packets and in time.
 */
#define _GNU_SOURCE
#include <linux/virtio_net.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "packet-world.h"

#define SLOT 3u
#define OTHER_SLOT 8u
#define SNAP_WHOLE 65536u
#define RING_LARGE 24u
#define RING_SMALL 14u
#define HEADER_BYTES ((uint32_t)sizeof(struct virtio_net_hdr))

static uint8_t frame[FRAME_MAX];

static const struct uc_packet_source mirror = {
	.slot = SLOT,
	.lane = 0,
	.mode = UC_REDIRECT_MIRROR,
	.snap_bytes = SNAP_WHOLE,
	.name = "tapg",
};

static const struct uc_packet_source bridge = {
	.slot = SLOT,
	.lane = 0,
	.mode = UC_REDIRECT_INLINE,
	.snap_bytes = SNAP_WHOLE,
	.name = "tapg",
	.uplink = "ucup0",
};

static void print_counts(const struct uc_packet_counts *c)
{
	printf("\"state\":%llu,\"errno\":%llu,\"seen\":%llu,\"kept\":%llu,\"shortened\":%llu,"
	       "\"lostKernel\":%llu,\"lostRing\":%llu,\"dropped\":%llu,\"forwarded\":%llu,"
	       "\"seenBytes\":%llu,\"keptBytes\":%llu,",
	       (unsigned long long)c->state, (unsigned long long)c->error,
	       (unsigned long long)c->seen, (unsigned long long)c->kept,
	       (unsigned long long)c->shortened, (unsigned long long)c->lost_kernel,
	       (unsigned long long)c->lost_ring, (unsigned long long)c->dropped,
	       (unsigned long long)c->forwarded, (unsigned long long)c->seen_bytes,
	       (unsigned long long)c->kept_bytes);
}

static void print_heard(const struct world *world, uint32_t lane)
{
	const struct heard *h = &world->heard[lane];

	printf("\"packets\":%llu,\"fromGuest\":%llu,\"toGuest\":%llu,\"disorder\":%llu,"
	       "\"flaggedDropped\":%llu,\"flaggedPartial\":%llu,\"lostNamed\":%llu,"
	       "\"missing\":%llu,\"original\":%u,\"captured\":%u,\"slot\":%u,",
	       (unsigned long long)h->packets, (unsigned long long)h->from_guest,
	       (unsigned long long)h->to_guest, (unsigned long long)h->disorder,
	       (unsigned long long)h->flagged_dropped, (unsigned long long)h->flagged_partial,
	       (unsigned long long)h->lost_named,
	       (unsigned long long)world->stats[lane][UC_CONSUMER_MISSING],
	       h->head.original_bytes, h->head.captured_bytes, h->head.slot);
}

/* The end of a case: counts of the slot, what the ring brought, and facts of the case. */
static void report(struct world *world, const char *fact, uint64_t value)
{
	struct uc_packet_counts counts = world_counts(world, SLOT);

	printf("{");
	print_counts(&counts);
	print_heard(world, 0);
	printf("\"%s\":%llu}\n", fact, (unsigned long long)value);
	world_close(world);
}

static uint32_t size_of(uint32_t i)
{
	return 64 + i * 37 % 1400;
}

/* Both directions, all sizes, tagged and not: everything comes, once, in order and whole. */
static void mirror_all(uint64_t features, uint32_t removal)
{
	struct world *world = world_open(RING_LARGE, features);
	const int guest = open_tap("tapg", false);
	const int outside = open_packet("tapg", false, false);
	struct uc_packet_counts last;
	uint64_t bytes = 0;

	world_add(world, &mirror);
	for (uint32_t i = 0; i < 6000; i++) {
		const bool tagged = i % 3 == 0;

		bytes += make_frame(frame, size_of(i), i, tagged);
		put(guest, frame, size_of(i));
		if (i % 2 == 0) {
			bytes += make_frame(frame, size_of(i), i / 2, tagged);
			put(outside, frame, size_of(i));
			take(guest, frame);
		}
		if (i % 500 == 0)
			world_drain(world);
	}
	if (!removal) {
		world_settle(world);
		report(world, "sentBytes", bytes);
		return;
	}
	/* At once, while the kernel's last block is still open. */
	if (uc_packet_remove(world->engine, SLOT, &last) != 0 ||
	    uc_packet_remove(world->engine, SLOT, &last) == 0)
		exit(2);
	world_drain(world);
	printf("{");
	print_counts(&last);
	print_heard(world, 0);
	printf("\"sentBytes\":%llu}\n", (unsigned long long)bytes);
	world_close(world);
}

static void snap(void)
{
	struct world *world = world_open(RING_LARGE, 0);
	const int guest = open_tap("tapg", false);
	struct uc_packet_source source = mirror;

	source.snap_bytes = 100;
	world_add(world, &source);
	for (uint32_t i = 0; i < 500; i++) {
		make_frame(frame, i % 2 ? 1000 : 90, i, i % 4 == 1);
		put(guest, frame, i % 2 ? 1000 : 90);
	}
	world_settle(world);
	report(world, "sent", 500);
}

/* Nobody reads a ring of 16 KiB while 5,000 packets come. */
static void overload(uint64_t features)
{
	struct world *world = world_open(RING_SMALL, features);
	const int guest = open_tap("tapg", false);

	world_add(world, &mirror);
	for (uint32_t i = 0; i < 5000; i++) {
		make_frame(frame, 200, i, false);
		put(guest, frame, 200);
	}
	/* Blocks are handed over within 10 ms; all are lost or kept by then. */
	pause_ms(100);
	world_settle(world);
	report(world, "sent", 5000);
}

/* A child floods through the tap while this process, with its packet thread, is stopped. */
static void kernel_loss(void)
{
	struct world *world = world_open(RING_LARGE, 0);
	const int guest = open_tap("tapg", false);
	const pid_t parent = getpid();

	world_add(world, &mirror);
	const pid_t child = fork();
	if (child == 0) {
		kill(parent, SIGSTOP);
		for (uint32_t i = 0; i < 20000; i++) {
			make_frame(frame, 1500, i, false);
			put(guest, frame, 1500);
		}
		kill(parent, SIGCONT);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	world_settle(world);
	report(world, "sent", 20000);
}

/* One interface is flooded for a second and a half; another has 1,500 packets, of which none
 * may be missing. Inline, the flood is more than the thread can carry. */
static void fairness(uint32_t noisy_mode)
{
	struct world *world = world_open(20, 0);
	const uint32_t header = noisy_mode == UC_REDIRECT_INLINE ? HEADER_BYTES : 0;
	const int guest = open_tap("tapg", false);
	const int noisy = open_tap("tapn", header > 0);
	struct uc_packet_source source = noisy_mode == UC_REDIRECT_INLINE ? bridge : mirror;
	struct uc_packet_counts counts;

	world_add(world, &mirror);
	source.slot = OTHER_SLOT;
	source.lane = 1;
	source.name = "tapn";
	world_add(world, &source);
	if (header)
		run("ip link set ucup0 addrgenmode none && ip link set ucup0 up");
	const pid_t child = fork();
	if (child == 0) {
		memset(frame, 0, header);
		for (uint32_t i = 0; i < 2000000; i++) {
			make_frame(frame + header, 64, i, false);
			put(noisy, frame, header + 64);
		}
		_exit(0);
	}
	for (uint32_t i = 0; i < 1500; i++) {
		make_frame(frame, 300, i, false);
		put(guest, frame, 300);
		pause_ms(1);
		/* The flooded ring is read too seldom on purpose. */
		if (i % 100 == 0)
			world_drain(world);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	world_settle(world);
	counts = world_counts(world, OTHER_SLOT);
	printf("{\"noisy\":{");
	print_counts(&counts);
	print_heard(world, 1);
	printf("\"sent\":0},\"quiet\":");
	report(world, "sent", 1500);
	printf("}\n");
}

/* What happens to an interface, and what it costs to wait afterwards. */
static void trouble(const struct uc_packet_source *source, const char *command, bool comes_back)
{
	struct world *world = world_open(RING_LARGE, 0);
	const int guest = open_tap("tapg", source->mode == UC_REDIRECT_INLINE);
	struct pollfd change = { .fd = uc_packet_engine_fd(world->engine), .events = POLLIN };
	const uint32_t header = source->mode == UC_REDIRECT_INLINE ? HEADER_BYTES : 0;

	world_add(world, source);
	if (header)
		run("ip link set ucup0 addrgenmode none && ip link set ucup0 up");
	memset(frame, 0, header);
	for (uint32_t i = 0; i < 10; i++) {
		make_frame(frame + header, 100, i, false);
		put(guest, frame, header + 100);
	}
	run(command);
	const double before = process_cpu_ms();
	pause_ms(1000);
	const double spent = process_cpu_ms() - before;

	if (comes_back) {
		run("ip link set tapg up");
		for (uint32_t i = 10; i < 20; i++) {
			make_frame(frame + header, 100, i, false);
			put(guest, frame, header + 100);
		}
	}
	world_settle(world);
	printf("{\"told\":%d,\"cpuMs\":%.1f,\"counts\":", poll(&change, 1, 0), spent);
	report(world, "sent", comes_back ? 20 : 10);
	printf("}\n");
}

/* After its interface is gone, slot and lane can be had again. */
static void again(void)
{
	struct world *world = world_open(RING_LARGE, 0);
	int guest = open_tap("tapg", false);
	uint32_t refused = 0;

	world_add(world, &mirror);
	refused += uc_packet_add(world->engine, &mirror) == -16;
	run("ip link del tapg");
	close(guest);
	world_settle(world);
	refused += uc_packet_add(world->engine, &mirror) == -19;
	guest = open_tap("tapg", false);
	world_add(world, &mirror);
	for (uint32_t i = 0; i < 10; i++) {
		make_frame(frame, 100, i, false);
		put(guest, frame, 100);
	}
	world_settle(world);
	report(world, "refused", refused);
}

static void put_with_header(int fd, uint32_t bytes)
{
	uint8_t whole[2048];

	memset(whole, 0, HEADER_BYTES);
	memcpy(whole + HEADER_BYTES, frame, bytes);
	put(fd, whole, HEADER_BYTES + bytes);
}

/* Frames pass through the engine both ways as they are, but those that a rule names. */
static void forward(const struct uc_block_rule *rules, uint32_t rule_count)
{
	struct world *world = world_open(RING_LARGE, 0);
	const int guest = open_tap("tapg", true);
	uint64_t arrived = 0;
	uint64_t changed = 0;
	uint8_t got[FRAME_MAX];

	world_add(world, &bridge);
	run("ip link set ucup0 addrgenmode none && ip link set ucup0 up");
	const int outside = open_packet("ucup0", true, false);
	if (uc_packet_rules(world->engine, SLOT, (const uint8_t *)rules,
			    rule_count * sizeof(*rules)) != 0)
		exit(2);
	for (uint32_t i = 0; i < 1000; i++) {
		const uint32_t bytes = size_of(i);

		make_udp(frame, bytes, i, (uint8_t)(i % 4));
		put_with_header(guest, bytes);
		/* Every fourth goes to the address that the rule of the test names. */
		const bool passes = rule_count == 0 || i % 4 != 2;
		if (passes) {
			const uint32_t size = take(outside, got);

			arrived += size > 0;
			changed += size != bytes || memcmp(got, frame, bytes) != 0;
		}
		make_frame(frame, bytes, i, i % 2 == 0);
		put(outside, frame, bytes);
		const uint32_t back = take(guest, got);
		arrived += back > 0;
		changed += back != HEADER_BYTES + bytes ||
			   memcmp(got + HEADER_BYTES, frame, bytes) != 0;
	}
	struct pollfd rest = { .fd = outside, .events = POLLIN };
	changed += (uint64_t)poll(&rest, 1, 100);
	world_settle(world);
	printf("{\"arrived\":%llu,\"changed\":%llu,\"counts\":", (unsigned long long)arrived,
	       (unsigned long long)changed);
	report(world, "sent", 2000);
	printf("}\n");
}

/* A TCP segment of 20,000 bytes that virtual hardware is to cut up: it must not be. */
static void segments(bool tagged)
{
	struct world *world = world_open(RING_LARGE, 0);
	const int guest = open_tap("tapg", true);
	const uint16_t link = tagged ? 18 : 14;
	const struct virtio_net_hdr header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)(link + 40),
		.gso_size = 1448,
		.csum_start = (uint16_t)(link + 20),
		.csum_offset = 16,
	};
	struct virtio_net_hdr arrived = { 0 };
	const uint32_t bytes = link + 20000u;

	world_add(world, &bridge);
	run("ip link set ucup0 addrgenmode none && ip link set ucup0 up");
	const int outside = open_packet("ucup0", true, true);
	memcpy(frame, &header, sizeof(header));
	uint8_t *packet = frame + sizeof(header);
	make_frame(packet, bytes, 0, tagged);
	packet[link - 2] = 0x08;
	packet[link - 1] = 0x00;
	const uint8_t ip[20] = { 0x45, 0,  20000 >> 8, 20000 & 255, 0,   0, 0,  0, 64, 6,
				 0,    0,  10,	       0,	    0,	 2, 10, 0, 0,  1 };
	memcpy(packet + link, ip, sizeof(ip));
	memset(packet + link + 20, 0, 20);
	packet[link + 32] = 5 << 4;
	put(guest, frame, HEADER_BYTES + bytes);
	static uint8_t got[FRAME_MAX];
	const uint32_t size = take(outside, got);
	memcpy(&arrived, got, sizeof(arrived));
	world_settle(world);
	/* The packet socket of the test has the tag taken out again. */
	printf("{\"bytes\":%u,\"gsoType\":%u,\"gsoSize\":%u,\"counts\":",
	       size + (tagged ? 4 : 0), arrived.gso_type, arrived.gso_size);
	report(world, "sent", bytes);
	printf("}\n");
}

/* Nobody forwards: what the uplink's queue cannot hold is counted as lost in the kernel. */
static void uplink_loss(void)
{
	struct world *world = world_open(RING_LARGE, 0);
	const int guest = open_tap("tapg", true);
	const pid_t parent = getpid();

	world_add(world, &bridge);
	run("ip link set ucup0 addrgenmode none && ip link set ucup0 up");
	const int outside = open_packet("ucup0", false, false);
	const pid_t child = fork();
	if (child == 0) {
		kill(parent, SIGSTOP);
		for (uint32_t i = 0; i < 5000; i++) {
			make_frame(frame, 200, i, false);
			if (write(outside, frame, 200) < 0)
				continue;
		}
		kill(parent, SIGCONT);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	world_settle(world);
	(void)guest;
	report(world, "sent", 5000);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct uc_block_rule drop = { .id = 1,
					    .slot = SLOT,
					    .action = UC_BLOCK_DROP,
					    .family = UC_ADDRESS_IPV4,
					    .remote_address = { 192, 0, 2, 2 },
					    .remote_prefix = 32 };

	alarm(20);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if (strcmp(name, "mirror") == 0)
		mirror_all(0, 0);
	else if (strcmp(name, "mirror-crc") == 0)
		mirror_all(UC_FEATURE_CRC32C, 0);
	else if (strcmp(name, "remove") == 0)
		mirror_all(0, 1);
	else if (strcmp(name, "snap") == 0)
		snap();
	else if (strcmp(name, "overload") == 0)
		overload(0);
	else if (strcmp(name, "overload-crc") == 0)
		overload(UC_FEATURE_CRC32C);
	else if (strcmp(name, "kernel-loss") == 0)
		kernel_loss();
	else if (strcmp(name, "fairness") == 0)
		fairness(UC_REDIRECT_MIRROR);
	else if (strcmp(name, "fairness-inline") == 0)
		fairness(UC_REDIRECT_INLINE);
	else if (strcmp(name, "down-up") == 0)
		trouble(&mirror, "ip link set tapg down", true);
	else if (strcmp(name, "deleted") == 0)
		trouble(&mirror, "ip link del tapg", false);
	else if (strcmp(name, "moved") == 0)
		trouble(&mirror, "unshare -n sleep 2 & sleep 0.2; ip link set tapg netns $!", false);
	else if (strcmp(name, "inline-deleted") == 0)
		trouble(&bridge, "ip link del tapg", false);
	else if (strcmp(name, "uplink-deleted") == 0)
		trouble(&bridge, "ip link del ucup0", false);
	else if (strcmp(name, "inline-down-up") == 0)
		trouble(&bridge, "ip link set tapg down", true);
	else if (strcmp(name, "again") == 0)
		again();
	else if (strcmp(name, "forward") == 0)
		forward(NULL, 0);
	else if (strcmp(name, "forward-rule") == 0)
		forward(&drop, 1);
	else if (strcmp(name, "segments") == 0)
		segments(false);
	else if (strcmp(name, "segments-tagged") == 0)
		segments(true);
	else if (strcmp(name, "uplink-loss") == 0)
		uplink_loss();
	else
		return 2;
	return 0;
}
