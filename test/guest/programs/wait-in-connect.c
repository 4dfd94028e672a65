// SPDX-License-Identifier: Apache-2.0
// Waits in connects that nobody answers and in an accept that nobody asks for, until it is killed:
// wait-in-connect COUNT. Prints how many connects wait once all of them have begun.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned int answered;

static int must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

static struct sockaddr_in name_at(uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return name;
}

/* With room for one connection that nobody has accepted. */
static int listen_at(const struct sockaddr_in *name)
{
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

	must(bind(fd, (const struct sockaddr *)name, sizeof(*name)), "bind");
	must(listen(fd, 0), "listen");
	return fd;
}

static void *accept_one(void *listener)
{
	must(accept(*(int *)listener, NULL, NULL), "accept");
	return NULL;
}

static void *connect_one(void *remote)
{
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

	connect(fd, remote, sizeof(struct sockaddr_in));
	__atomic_fetch_add(&answered, 1, __ATOMIC_RELAXED);
	pause();
	return NULL;
}

int main(int argc, char **argv)
{
	const unsigned int count = argc > 1 ? (unsigned int)atoi(argv[1]) : 0;
	const struct rlimit files = { count + 64, count + 64 };
	struct sockaddr_in full = name_at(4100), idle = name_at(4101);
	int idle_listener = listen_at(&idle);
	pthread_attr_t small;
	pthread_t thread;
	unsigned int i;

	listen_at(&full);
	must(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 32768);
	must(-pthread_create(&thread, &small, accept_one, &idle_listener), "thread");
	for (i = 0; i < count; i++)
		must(-pthread_create(&thread, &small, connect_one, &full), "thread");
	sleep(2);
	printf("told waiting %u\n", count - __atomic_load_n(&answered, __ATOMIC_RELAXED));
	fflush(stdout);
	pause();
	return 0;
}
