/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One case of the SIGBUS guard per run, because most of them end the process. Built and run by
 * sigbus-guard.test.ts, which knows how each must end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../addon/mapping.h"
#include "../../addon/sigbus-guard.h"

#define BYTES 65536u

/* A file that can be cut, as a region under /dev/shm can. */
static int open_file(void)
{
	const int fd = memfd_create("cut", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, BYTES) != 0)
		exit(2);
	return fd;
}

static void cut(int fd)
{
	if (ftruncate(fd, 0) != 0)
		exit(2);
}

static void on_chained(int number)
{
	(void)number;
	_exit(42);
}

static void *touch(void *at)
{
	volatile uint8_t *byte = at;

	return (void *)(uintptr_t)*byte;
}

/* Every thread that touches a cut mapping goes on, and a neighbour keeps its bytes. */
static int repaired(void)
{
	const int fd = open_file();
	const int other = open_file();
	struct uc_mapping *mapping;
	struct uc_mapping *neighbour;
	pthread_t threads[4];
	void *seen;

	if (uc_mapping_open(fd, BYTES, &mapping) || uc_mapping_open(other, BYTES, &neighbour))
		return 2;
	memset(mapping->base, 7, BYTES);
	memset(neighbour->base, 9, BYTES);
	cut(fd);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, touch, (uint8_t *)mapping->base + i * 4096);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &seen);
		if (seen)
			return 3;
	}
	if (!mapping->failed || neighbour->failed || *(uint8_t *)neighbour->base != 9)
		return 4;
	uc_mapping_release(mapping);
	uc_mapping_release(neighbour);
	return 0;
}

/* A fault outside: in memory that was guarded once, and never by another mapping's guard. */
static int foreign(void)
{
	const int fd = open_file();
	struct uc_mapping *mapping;

	if (uc_mapping_open(fd, BYTES, &mapping))
		return 2;
	uc_mapping_release(mapping);
	uint8_t *outside = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cut(fd);
	touch(outside);
	return 5;
}

static int chained(void)
{
	signal(SIGBUS, on_chained);
	return foreign();
}

static int full(void)
{
	static uint32_t failed;
	uint8_t *base = (uint8_t *)(uintptr_t)0x10000;

	for (unsigned int i = 0; i < UC_GUARDED_MAPPINGS_MAX; i++)
		if (uc_sigbus_guard_add(base + i * 4096ull, 4096, &failed) != 0)
			return 2;
	if (uc_sigbus_guard_add(base - 4096, 4096, &failed) != -ENOSPC)
		return 3;
	uc_sigbus_guard_remove(base);
	return uc_sigbus_guard_add(base - 4096, 4096, &failed);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "repaired") == 0)
		return repaired();
	if (strcmp(argv[1], "foreign") == 0)
		return foreign();
	if (strcmp(argv[1], "chained") == 0)
		return chained();
	return full();
}
