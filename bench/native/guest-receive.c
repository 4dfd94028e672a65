// SPDX-License-Identifier: Apache-2.0
// The hypervisor host's end of bench/guest-transport.ts: receives one run of numbered records from
// a guest, copies each out and verifies number and check word, and says what it cost:
//   guest-receive ring FILE SIZE SESSION | serial SOCKET SIZE | tcp PORT SIZE
// Prints "ready", then one line of JSON after the run's last record. A broken record is counted
// and told; the run goes on to its end, so that the next one starts clean.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../addon/drain.h"
#include "numbered.h"

#define LIMIT_SECONDS 30u
#define BUFFER_BYTES (256u * 1024)
#define DRAIN_RECORDS 4096u

struct tally {
	uint32_t bytes;
	uint64_t expected;
	uint64_t count;
	uint64_t broken;
	char first_broken[96];
	bool is_over;
	double began;
	double ended;
};

static struct tally tally;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void note_broken(const char *how, uint64_t number)
{
	if (tally.broken++ == 0)
		snprintf(tally.first_broken, sizeof(tally.first_broken),
			 "record %llu: %s, it says %llu", (unsigned long long)tally.expected, how,
			 (unsigned long long)number);
}

// One record in private memory, 8-byte aligned.
static void take(const uint64_t *record)
{
	const uint32_t words = tally.bytes / 8 - NUMBERED_HEAD_WORDS;
	const uint64_t number = record[0] & ~NUMBERED_LAST;
	const uint64_t sum = numbered_sum(record + NUMBERED_HEAD_WORDS, words);

	if (numbered_check(record[0], sum) != record[1])
		note_broken("wrong check word", number);
	else if (number != tally.expected)
		note_broken("wrong number", number);
	tally.expected = number + 1;
	tally.count++;
	if (record[0] & NUMBERED_LAST)
		tally.is_over = true;
}

static void say_ready(void)
{
	puts("ready");
	fflush(stdout);
}

static uint8_t *map_region(const char *path)
{
	const int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t *at;

	if (fd < 0)
		fail(path);
	at = mmap(NULL, NUMBERED_REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		fail("mmap");
	close(fd);
	return at;
}

static void receive_ring(const char *path, uint32_t session)
{
	static uint8_t batch[UC_BATCH_BYTES_DEFAULT] __attribute__((aligned(16)));
	static uint32_t places[DRAIN_RECORDS * UC_RECORD_STRIDE];
	static uint64_t stats[UC_CONSUMER_STATS];
	static struct uc_consumer consumer;
	// The least pause of the server's own loop.
	const struct timespec pause = { 0, 1000000 };
	uint8_t *region = map_region(path);
	const struct uc_consumer_config config = {
		.region = region,
		.region_bytes = NUMBERED_REGION_BYTES,
		.placement = { NUMBERED_RING_OFFSET, NUMBERED_PRODUCER_OFFSET,
			       NUMBERED_CONSUMER_OFFSET, NUMBERED_CAPACITY_LOG2 },
		.record_bytes_max = UC_RECORD_BYTES_MAX,
		.batch = batch,
		.batch_bytes = UC_BATCH_BYTES_DEFAULT,
		.records_max = DRAIN_RECORDS,
		.records = places,
		.stats = stats,
	};
	int32_t got;
	int32_t at;

	memset(region + NUMBERED_PRODUCER_OFFSET, 0, UC_PAGE_BYTES);
	memset(region + NUMBERED_CONSUMER_OFFSET, 0, UC_PAGE_BYTES);
	if (uc_consumer_init(&consumer, &config) != 0)
		fail("uc_consumer_init");
	uc_consumer_start_session(&consumer, session, 0, 0, 0);
	say_ready();
	while (!tally.is_over) {
		got = uc_consumer_drain(&consumer);
		if (got < 0) {
			fprintf(stderr, "guest-receive: the ring broke rule %d\n", -got);
			exit(1);
		}
		if (got == 0) {
			nanosleep(&pause, NULL);
			continue;
		}
		if (tally.count == 0)
			tally.began = now_seconds();
		for (at = 0; at < got; at++) {
			const uint32_t *place = &places[(size_t)at * UC_RECORD_STRIDE];

			if (place[1] != tally.bytes)
				note_broken("wrong length", place[1]);
			else
				take((const uint64_t *)(const void *)&batch[place[0]]);
		}
	}
}

static void receive_stream(int fd)
{
	static uint8_t buffer[BUFFER_BYTES] __attribute__((aligned(16)));
	size_t held = 0;
	size_t at;

	while (!tally.is_over) {
		const ssize_t got = read(fd, buffer + held, sizeof(buffer) - held);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			fail("read");
		if (held == 0 && tally.count == 0)
			tally.began = now_seconds();
		held += (size_t)got;
		for (at = 0; held - at >= tally.bytes; at += tally.bytes)
			take((const uint64_t *)(const void *)&buffer[at]);
		memmove(buffer, buffer + at, held - at);
		held -= at;
	}
	close(fd);
}

static int serial_connect(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(name.sun_path))
		fail("socket");
	strcpy(name.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) != 0)
		fail(path);
	say_ready();
	return fd;
}

static int tcp_accept(const char *port)
{
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_in name = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
	};
	const int one = 1;
	int fd;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (const struct sockaddr *)&name, sizeof(name)) != 0 ||
	    listen(listener, 1) != 0)
		fail("listen");
	say_ready();
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		fail("accept");
	return fd;
}

static int usage(void)
{
	fprintf(stderr, "usage: guest-receive ring FILE SIZE SESSION | serial SOCKET SIZE"
			" | tcp PORT SIZE\n");
	return 2;
}

int main(int argc, char **argv)
{
	double cpu;

	if (argc < 4)
		return usage();
	// Nobody else would end a reader whose guest has stopped sending.
	alarm(LIMIT_SECONDS);
	tally.bytes = (uint32_t)strtoul(argv[3], NULL, 10);
	if (tally.bytes == 0 || tally.bytes > NUMBERED_BYTES_MAX || tally.bytes % 64 != 0)
		return usage();
	cpu = cpu_seconds();
	if (strcmp(argv[1], "ring") == 0 && argc == 5)
		receive_ring(argv[2], (uint32_t)strtoul(argv[4], NULL, 10));
	else if (strcmp(argv[1], "serial") == 0 && argc == 4)
		receive_stream(serial_connect(argv[2]));
	else if (strcmp(argv[1], "tcp") == 0 && argc == 4)
		receive_stream(tcp_accept(argv[2]));
	else
		return usage();
	tally.ended = now_seconds();
	printf("{\"records\":%llu,\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"broken\":%llu,"
	       "\"firstBroken\":\"%s\"}\n",
	       (unsigned long long)tally.count, tally.ended - tally.began, cpu_seconds() - cpu,
	       (unsigned long long)tally.broken, tally.first_broken);
	return 0;
}
