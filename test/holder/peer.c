// SPDX-License-Identifier: Apache-2.0
// Plays QEMU at a guest's socket for the holder's tests: prints each setup message, then obeys
// lines on standard input. Ends when the socket or the input does.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SETUP_MESSAGES 7
#define EVENTFDS_FROM 3

static int fds[SETUP_MESSAGES];

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror("connect");
		exit(3);
	}
	return fd;
}

// 1 a message, 0 the end.
static int read_message(int socket, int64_t *value, int *fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { value, sizeof(*value) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	*fd = -1;
	if (recvmsg(socket, &message, MSG_WAITALL) != sizeof(*value))
		return 0;
	if (CMSG_FIRSTHDR(&message))
		memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return 1;
}

static void describe(int64_t value, int fd)
{
	char path[64], target[64] = "none";
	struct stat stat = { 0 };

	if (fd >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		const ssize_t length = readlink(path, target, sizeof(target) - 1);

		target[length < 0 ? 0 : length] = '\0';
		fstat(fd, &stat);
	}
	const int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;

	printf("message %lld %s %lld %d\n", (long long)value, strtok(target, " "),
	       (long long)stat.st_size, seals);
}

// Waits for rings of one eventfd of ours and prints how many there were.
static void wait_for(int fd)
{
	struct pollfd bell = { .fd = fd, .events = POLLIN };
	uint64_t rings = 0;

	if (poll(&bell, 1, 5000) > 0 && read(fd, &rings, sizeof(rings)) != sizeof(rings))
		rings = 0;
	printf("rings %llu\n", (unsigned long long)rings);
}

static void obey(int socket, char *line)
{
	long place = 0, value = 0;
	uint64_t one = 1;
	uint8_t *region;
	struct stat stat;

	if (sscanf(line, "ring %ld", &place) == 1) {
		if (write(fds[EVENTFDS_FROM + place], &one, sizeof(one)) != sizeof(one))
			printf("failed\n");
	} else if (sscanf(line, "wait %ld", &place) == 1) {
		wait_for(fds[EVENTFDS_FROM + place]);
	} else if (sscanf(line, "poke %ld %ld", &place, &value) == 2) {
		fstat(fds[2], &stat);
		region = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      fds[2], 0);
		region[place] = (uint8_t)value;
	} else if (strncmp(line, "say", 3) == 0) {
		if (write(socket, "x", 1) != 1)
			printf("failed\n");
	} else if (strncmp(line, "cut", 3) == 0) {
		printf("cut %d\n", ftruncate(fds[2], 0));
	}
	printf("done\n");
}

static void serve(int socket)
{
	struct pollfd both[2] = { { .fd = socket, .events = POLLIN },
				  { .fd = STDIN_FILENO, .events = POLLIN } };
	char line[64];

	for (;;) {
		poll(both, 2, -1);
		if (both[0].revents) {
			printf("disconnected\n");
			return;
		}
		if (both[1].revents && !fgets(line, sizeof(line), stdin))
			return;
		if (both[1].revents)
			obey(socket, line);
	}
}

int main(int argc, char **argv)
{
	const int socket = connect_to(argv[1]);
	int64_t value;

	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	if (argc > 2 && strcmp(argv[2], "stall") == 0) {
		printf("stalled\n");
		return getchar() == EOF ? 0 : 1;
	}
	printf("connected\n");
	for (int at = 0; at < SETUP_MESSAGES; at++) {
		if (!read_message(socket, &value, &fds[at])) {
			printf("ended after %d messages\n", at);
			return 4;
		}
		describe(value, fds[at]);
		if (at == 0 && value != 0) {
			printf("turned away\n");
			return 4;
		}
	}
	printf("set up\n");
	serve(socket);
	return 0;
}
