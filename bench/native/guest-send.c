// SPDX-License-Identifier: Apache-2.0
// The guest's end of bench/guest-transport.ts: sends numbered records for a while, one way after
// the other, as the lines on its standard input say:
//   guest-send RESOURCE PORT ADDRESS TCP_PORT
//   WAY SIZE GATHER MILLISECONDS SESSION FAULT  ->  sent RECORDS SECONDS BUSY_SECONDS
// RESOURCE is the region's BAR in sysfs, PORT a virtio-serial port. WAY is ring, serial or tcp.
// GATHER: bytes that a stream's sender gathers for one write, 0 for one write a record. FAULT
// plants a broken record: corrupt (a bit changes on the way) or skip (a number is left out), or
// none.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../../guest-drivers/core/uc_ring.h"
#include "numbered.h"

// Bodies made ahead of their use, so that all ways pay the same small price for a fresh record.
#define AHEAD 64u
// The most that is gathered for one write.
#define GATHER_BYTES_MAX 65536u
#define FAULT_AT 50u
// The ring's space is looked at so often, not at each record: the half is for what a wrap wastes.
#define SPACE_BYTES (1u << 20)

enum fault { FAULT_NONE, FAULT_CORRUPT, FAULT_SKIP };

struct way {
	const char *name;
	void (*begin)(uint32_t session);
	void (*put)(const uint64_t *record, uint32_t bytes);
	void (*end)(void);
};

static const char *port_path;
static struct sockaddr_in address;
static uint8_t *region;
static struct uc_ring ring;
static uint64_t space_end;
static struct uc_sequence sequence;
static int stream = -1;
static uint8_t gathered[GATHER_BYTES_MAX];
static uint32_t gathered_bytes;
static uint32_t gather_bytes;
static uint64_t records[AHEAD][NUMBERED_BYTES_MAX / 8];
static uint64_t sums[AHEAD];
static volatile sig_atomic_t is_over;

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

// Seconds in which the guest's one CPU had nothing to do; interrupts and kernel threads are work.
static double idle_seconds(void)
{
	unsigned long long idle, waiting;
	FILE *stat = fopen("/proc/stat", "re");

	if (!stat || fscanf(stat, "cpu %*u %*u %*u %llu %llu", &idle, &waiting) != 2)
		fail("/proc/stat");
	fclose(stat);
	return (double)(idle + waiting) / (double)sysconf(_SC_CLK_TCK);
}

static void ring_begin(uint32_t session)
{
	const struct uc_ring_place place = {
		.kind = UC_RING_DATA,
		.capacity_log2 = NUMBERED_CAPACITY_LOG2,
		.payload_bytes_max = UC_RECORD_BYTES_MAX,
		.producer_offset = NUMBERED_PRODUCER_OFFSET,
		.consumer_offset = NUMBERED_CONSUMER_OFFSET,
		.ring_offset = NUMBERED_RING_OFFSET,
	};

	// So does sysfs map a BAR, whatever the driver could have: the ring pays for its fences.
	uc_ring_init(&ring, region, &place, UC_MAP_UNCACHED, NULL, &sequence);
	if (uc_ring_start(&ring, session, 0) != 0)
		fail("uc_ring_start");
	space_end = 0;
}

// A guest drops and counts when its ring is full; a benchmark waits instead.
static void ring_wait(uint64_t bytes)
{
	const struct timespec pause = { 0, 200000 };

	for (;;) {
		ring.head = uc_load_u64(ring.consumer_page);
		if (ring.capacity - (ring.tail - ring.head) >= bytes)
			return;
		uc_ring_publish(&ring);
		nanosleep(&pause, NULL);
	}
}

static void ring_put(const uint64_t *record, uint32_t bytes)
{
	void *place;

	if (ring.tail >= space_end) {
		ring_wait(SPACE_BYTES);
		space_end = ring.tail + SPACE_BYTES / 2;
	}
	place = uc_ring_reserve(&ring, UC_RECORD_FILE_OPEN, bytes);
	if (!place)
		fail("the ring is full");
	memcpy(place, record, bytes);
	uc_ring_commit(&ring, bytes, 0, false);
}

static void ring_end(void)
{
	uc_ring_publish(&ring);
	uc_ring_stop(&ring);
}

static void serial_begin(uint32_t session)
{
	(void)session;
	stream = open(port_path, O_WRONLY | O_CLOEXEC);
	if (stream < 0)
		fail(port_path);
}

static void tcp_begin(uint32_t session)
{
	(void)session;
	stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (stream < 0 || connect(stream, (const struct sockaddr *)&address, sizeof(address)) != 0)
		fail("connect");
}

static void write_all(const void *bytes, size_t count)
{
	const uint8_t *from = bytes;

	while (count > 0) {
		const ssize_t done = write(stream, from, count);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			fail("write");
		from += done;
		count -= (size_t)done;
	}
}

static void stream_put(const uint64_t *record, uint32_t bytes)
{
	if (gather_bytes == 0) {
		write_all(record, bytes);
		return;
	}
	memcpy(gathered + gathered_bytes, record, bytes);
	gathered_bytes += bytes;
	if (gathered_bytes < gather_bytes)
		return;
	write_all(gathered, gathered_bytes);
	gathered_bytes = 0;
}

static void stream_end(void)
{
	write_all(gathered, gathered_bytes);
	gathered_bytes = 0;
	close(stream);
}

static const struct way ways[] = {
	{ "ring", ring_begin, ring_put, ring_end },
	{ "serial", serial_begin, stream_put, stream_end },
	{ "tcp", tcp_begin, stream_put, stream_end },
};

static void make_bodies(uint32_t bytes)
{
	const uint32_t words = bytes / 8 - NUMBERED_HEAD_WORDS;
	uint64_t state = bytes;
	uint32_t slot, at;

	for (slot = 0; slot < AHEAD; slot++) {
		uint64_t *body = records[slot] + NUMBERED_HEAD_WORDS;

		for (at = 0; at < words; at++)
			body[at] = state = state * 6364136223846793005ull + 1442695040888963407ull;
		sums[slot] = numbered_sum(body, words);
	}
}

static void set_alarm(uint32_t milliseconds)
{
	const struct itimerval timer = {
		.it_value = { milliseconds / 1000, (suseconds_t)(milliseconds % 1000) * 1000 },
	};

	is_over = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void on_alarm(int signal)
{
	(void)signal;
	is_over = 1;
}

// Returns how many records it sent.
static uint64_t send_records(const struct way *way, uint32_t bytes, enum fault fault)
{
	uint64_t count = 0;
	bool is_last = false;

	while (!is_last) {
		const uint32_t slot = count % AHEAD;
		uint64_t number = count + (fault == FAULT_SKIP && count >= FAULT_AT ? 1 : 0);
		uint64_t *record = records[slot];

		is_last = is_over && count > FAULT_AT;
		if (is_last)
			number |= NUMBERED_LAST;
		record[0] = number;
		record[1] = numbered_check(number, sums[slot]);
		if (fault == FAULT_CORRUPT && count == FAULT_AT)
			record[bytes / 8 - 1] ^= 1ull << 17;
		way->put(record, bytes);
		if (fault == FAULT_CORRUPT && count == FAULT_AT)
			record[bytes / 8 - 1] ^= 1ull << 17;
		count++;
	}
	return count;
}

static const struct way *find_way(const char *name)
{
	size_t at;

	for (at = 0; at < sizeof(ways) / sizeof(ways[0]); at++)
		if (strcmp(ways[at].name, name) == 0)
			return &ways[at];
	fprintf(stderr, "guest-send: no way %s\n", name);
	exit(2);
}

static void run(const char *line)
{
	char name[32], fault_name[16];
	unsigned int bytes, milliseconds, session;
	double began, idle, seconds;
	const struct way *way;
	enum fault fault;
	uint64_t count;

	if (sscanf(line, "%31s %u %u %u %u %15s", name, &bytes, &gather_bytes, &milliseconds,
		   &session, fault_name) != 6 ||
	    bytes % 64 != 0 || bytes == 0 || bytes > NUMBERED_BYTES_MAX ||
	    gather_bytes % bytes != 0 || gather_bytes > GATHER_BYTES_MAX) {
		fprintf(stderr, "guest-send: not a command: %s", line);
		exit(2);
	}
	way = find_way(name);
	fault = strcmp(fault_name, "corrupt") == 0 ? FAULT_CORRUPT :
		strcmp(fault_name, "skip") == 0	   ? FAULT_SKIP :
						     FAULT_NONE;
	make_bodies(bytes);
	way->begin(session);
	began = now_seconds();
	idle = idle_seconds();
	set_alarm(milliseconds);
	count = send_records(way, bytes, fault);
	way->end();
	seconds = now_seconds() - began;
	printf("sent %llu %.6f %.6f\n", (unsigned long long)count, seconds,
	       seconds - (idle_seconds() - idle));
	fflush(stdout);
}

static void map_region(const char *path)
{
	const int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail(path);
	region = mmap(NULL, NUMBERED_REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (region == MAP_FAILED)
		fail("mmap");
	close(fd);
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	char line[128];

	if (argc != 5 || inet_pton(AF_INET, argv[3], &address.sin_addr) != 1) {
		fprintf(stderr, "usage: guest-send RESOURCE PORT ADDRESS TCP_PORT\n");
		return 2;
	}
	map_region(argv[1]);
	port_path = argv[2];
	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t)strtoul(argv[4], NULL, 10));
	sigaction(SIGALRM, &action, NULL);
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "end\n") != 0)
		run(line);
	return 0;
}
