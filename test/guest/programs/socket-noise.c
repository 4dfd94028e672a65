// SPDX-License-Identifier: Apache-2.0
// Threads that race each other with socket calls full of nonsense over the same few descriptors:
// wrong families, short and missing addresses, absent memory, closing in the midst. Whatever comes
// of it, the kernel and the driver must live: socket-noise ROUNDS [SEED].
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define THREADS 4
#define SOCKETS 8

static int sockets[SOCKETS];
static unsigned int rounds;
static uint8_t *memory;

static uint32_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33);
}

static const void *any_memory(uint64_t *state)
{
	/* The second page is taken away again and again; beyond it there is none. */
	return memory + next(state) % (next(state) % 8 ? 7800 : 12288);
}

static socklen_t make_name(struct sockaddr_storage *name, uint64_t *state)
{
	static const sa_family_t families[] = { AF_INET, AF_INET6, AF_UNSPEC, AF_UNIX, AF_PACKET };
	struct sockaddr_in *in = (struct sockaddr_in *)name;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;

	memset(name, 0, sizeof(*name));
	name->ss_family = families[next(state) % 5];
	in->sin_port = htons(next(state) % 2 ? 53 : (uint16_t)(5000 + next(state) % 4));
	if (name->ss_family == AF_INET6) {
		if (next(state) % 2)
			in6->sin6_addr = in6addr_loopback;
		else
			inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6->sin6_addr);
	} else {
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	return next(state) % 4 ? sizeof(*in6) : next(state) % 40;
}

static void reopen(int *place, uint64_t *state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_DGRAM, SOCK_RAW };
	int type = types[next(state) % 4];
	int fd = socket(families[next(state) % 2], type | SOCK_NONBLOCK | SOCK_CLOEXEC,
			type == SOCK_RAW ? IPPROTO_ICMP : 0);

	fd = __atomic_exchange_n(place, fd, __ATOMIC_RELAXED);
	if (fd >= 0)
		close(fd);
}

static void send_something(int fd, const struct sockaddr_storage *name, socklen_t bytes,
			   uint64_t *state)
{
	struct iovec pieces[3];
	struct msghdr message = { 0 };
	int i;

	for (i = 0; i < 3; i++) {
		pieces[i].iov_base = (void *)any_memory(state);
		pieces[i].iov_len = next(state) % 300;
	}
	message.msg_name = next(state) % 3 ? (void *)name : NULL;
	message.msg_namelen = bytes;
	message.msg_iov = pieces;
	message.msg_iovlen = next(state) % 4;
	sendmsg(fd, &message, (next(state) % 4 ? 0 : MSG_MORE) | MSG_NOSIGNAL);
}

static void do_one(uint64_t *state)
{
	int *place = &sockets[next(state) % SOCKETS];
	int fd = __atomic_load_n(place, __ATOMIC_RELAXED);
	struct sockaddr_storage name;
	socklen_t bytes = make_name(&name, state);
	int other;

	switch (next(state) % 8) {
	case 0:
		reopen(place, state);
		break;
	case 1:
		bind(fd, (struct sockaddr *)&name, bytes);
		break;
	case 2:
		listen(fd, 2);
		break;
	case 3:
		connect(fd, (struct sockaddr *)&name, bytes);
		break;
	case 4:
		other = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (other >= 0)
			close(other);
		break;
	case 5:
		madvise(memory + 4096, 4096, MADV_DONTNEED);
		memory[next(state) % 8192] = (uint8_t)next(state);
		break;
	default:
		send_something(fd, &name, bytes, state);
	}
}

static void *race(void *seed)
{
	uint64_t state = (uintptr_t)seed;
	unsigned int round;

	for (round = 0; round < rounds; round++)
		do_one(&state);
	return NULL;
}

int main(int argc, char **argv)
{
	const uintptr_t seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (uintptr_t)getpid();
	pthread_t threads[THREADS];
	uintptr_t i;

	rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 0;
	memory = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rounds == 0 || memory == MAP_FAILED)
		return 2;
	/* Often enough the beginning of a question: small numbers. */
	for (i = 0; i < 8192; i++)
		memory[i] = (uint8_t)(i * 7 % 11);
	munmap(memory + 8192, 4096);
	for (i = 0; i < SOCKETS; i++)
		sockets[i] = -1;
	for (i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, race, (void *)(seed * THREADS + i)))
			return 1;
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
