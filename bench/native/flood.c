/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends COUNT Ethernet frames of BYTES into an interface as fast as it takes them, and prints how
 * many it took. For benchmarks inside a network namespace of their own; refuses to run where there
 * is a way out, so that no flood leaves the machine.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define FRAME_BYTES_MAX 1514
#define ROUTE_LINE_MAX 512

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A default route means that this is not a namespace made for a benchmark. */
static int has_default_route(void)
{
	char line[ROUTE_LINE_MAX], name[64];
	unsigned long destination, gateway;
	FILE *file = fopen("/proc/net/route", "r");
	int found = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %lx %lx", name, &destination, &gateway) == 3)
			found |= destination == 0;
	}
	if (file)
		fclose(file);
	return found;
}

static void fill_frame(uint8_t *frame, size_t bytes)
{
	static const uint8_t ethernet[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP };
	struct udphdr udp = { 0 };

	memset(frame, 0, bytes);
	memcpy(frame, ethernet, sizeof(ethernet));
	ip.tot_len = htons((uint16_t)(bytes - sizeof(ethernet)));
	ip.saddr = htonl(0x0a630001);
	ip.daddr = htonl(0x0a630002);
	udp.source = htons(4000);
	udp.dest = htons(9);
	udp.len = htons((uint16_t)(bytes - sizeof(ethernet) - sizeof(ip)));
	memcpy(frame + sizeof(ethernet), &ip, sizeof(ip));
	memcpy(frame + sizeof(ethernet) + sizeof(ip), &udp, sizeof(udp));
}

static int open_socket(const char *interface)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	address.sll_ifindex = (int)if_nametoindex(interface);
	if (fd < 0 || !address.sll_ifindex ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	static uint8_t frame[FRAME_BYTES_MAX];
	static struct mmsghdr messages[BATCH];
	long count = argc == 4 ? atol(argv[2]) : 0;
	long bytes = argc == 4 ? atol(argv[3]) : 0;
	struct iovec vector = { .iov_base = frame, .iov_len = (size_t)bytes };
	long sent = 0;
	int fd, taken;
	double begin;

	if (count <= 0 || bytes < 60 || bytes > FRAME_BYTES_MAX) {
		fprintf(stderr, "usage: flood INTERFACE COUNT BYTES (60 to %d)\n", FRAME_BYTES_MAX);
		return 2;
	}
	if (has_default_route()) {
		fprintf(stderr, "flood: there is a default route; run in a namespace without one\n");
		return 2;
	}
	fd = open_socket(argv[1]);
	if (fd < 0) {
		perror("flood");
		return 1;
	}
	fill_frame(frame, (size_t)bytes);
	for (int i = 0; i < BATCH; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vector, .msg_iovlen = 1 };
	begin = now();
	while (sent < count) {
		taken = sendmmsg(fd, messages, count - sent < BATCH ? (unsigned)(count - sent) : BATCH, 0);
		if (taken < 0 && errno != ENOBUFS && errno != EAGAIN) {
			perror("flood");
			return 1;
		}
		sent += taken > 0 ? taken : 0;
	}
	printf("{\"sent\":%ld,\"seconds\":%.6f}\n", sent, now() - begin);
	return 0;
}
