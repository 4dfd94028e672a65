// SPDX-License-Identifier: Apache-2.0
// Times what processes do with sockets, over loopback, in a guest whose clock counts instructions:
// socket-cost LABEL prints `told cost LABEL WHAT INSTRUCTIONS` lines, each of the cheapest of some
// batches: the others had interrupts and the kernel's housekeeping in them.
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 20u
#define WARM_ROUNDS 20u

static const uint8_t question[] = { 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 'w', 'w', 'w', 7, 'e',
				    'x', 'a', 'm', 'p', 'l', 'e', 3, 'c', 'o', 'm', 0, 0, 1, 0, 1 };
static int listener, receiver, resolver, sender;
static struct sockaddr_in stream_name, datagram_name, resolver_name;

static int must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

static struct sockaddr_in name_at(uint32_t address, uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };

	name.sin_addr.s_addr = htonl(address);
	return name;
}

static int bound(int type, const struct sockaddr_in *name)
{
	int fd = must(socket(AF_INET, type, 0), "socket");

	must(bind(fd, (const struct sockaddr *)name, sizeof(*name)), "bind");
	return fd;
}

/* Reset on close: nothing of it lingers, to be cleared away on a later one's account. */
static void do_stream(unsigned int index)
{
	const struct linger reset = { 1, 0 };
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	int accepted;

	(void)index;
	must(connect(fd, (struct sockaddr *)&stream_name, sizeof(stream_name)), "connect");
	accepted = must(accept(listener, NULL, NULL), "accept");
	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), "linger");
	close(fd);
	close(accepted);
}

static void send_to(const struct sockaddr_in *name, const void *bytes, size_t count, int to)
{
	char buffer[64];

	must((int)sendto(sender, bytes, count, 0, (const struct sockaddr *)name, sizeof(*name)),
	     "sendto");
	must((int)recv(to, buffer, sizeof(buffer), 0), "recv");
}

static void do_datagram(unsigned int index)
{
	(void)index;
	send_to(&datagram_name, "data", 4, receiver);
}

static void do_first(unsigned int index)
{
	struct sockaddr_in name = name_at(0x7f010000u + index, ntohs(datagram_name.sin_port));

	send_to(&name, "data", 4, receiver);
}

static void do_question(unsigned int index)
{
	(void)index;
	send_to(&resolver_name, question, sizeof(question), resolver);
}

static const struct {
	const char *name;
	void (*run)(unsigned int index);
	/* In a batch, which has to be shorter than a tick. */
	unsigned int count;
} kinds[] = {
	{ "stream", do_stream, 10 },
	{ "datagram", do_datagram, 50 },
	{ "first", do_first, 25 },
	{ "question", do_question, 25 },
};

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static double cost_of(void (*run)(unsigned int index), unsigned int count)
{
	double cost, least = 0;
	unsigned int batch, index;
	uint64_t start_ns;

	for (index = 0; index < WARM_ROUNDS; index++)
		run(index);
	for (batch = 0; batch < BATCHES; batch++) {
		start_ns = now_ns();
		for (index = 0; index < count; index++)
			run(WARM_ROUNDS + batch * count + index);
		cost = (double)(now_ns() - start_ns) / count;
		if (batch == 0 || cost < least)
			least = cost;
	}
	return least;
}

int main(int argc, char **argv)
{
	unsigned int kind;

	stream_name = name_at(INADDR_LOOPBACK, 4200);
	datagram_name = name_at(INADDR_ANY, 4201);
	resolver_name = name_at(INADDR_LOOPBACK, 53);
	listener = bound(SOCK_STREAM, &stream_name);
	must(listen(listener, 4), "listen");
	receiver = bound(SOCK_DGRAM, &datagram_name);
	resolver = bound(SOCK_DGRAM, &resolver_name);
	sender = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	datagram_name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
		printf("told cost %s %s %.0f\n", argc > 1 ? argv[1] : "", kinds[kind].name,
		       cost_of(kinds[kind].run, kinds[kind].count));
	return 0;
}
