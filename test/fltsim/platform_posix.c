/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator on Linux. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "platform.h"

struct start {
	void (*routine)(void *context);
	void *context;
};

static void *run(void *argument)
{
	const struct start start = *(struct start *)argument;

	free(argument);
	start.routine(start.context);
	return NULL;
}

void *platform_thread(void (*routine)(void *context), void *context)
{
	pthread_t *thread = malloc(sizeof(*thread));
	struct start *start = malloc(sizeof(*start));

	if (!thread || !start)
		abort();
	start->routine = routine;
	start->context = context;
	if (pthread_create(thread, NULL, run, start))
		abort();
	return thread;
}

void platform_join(void *thread)
{
	pthread_join(*(pthread_t *)thread, NULL);
	free(thread);
}

void platform_thread_exit(void)
{
	pthread_exit(NULL);
}

void platform_sleep_ms(uint32_t ms)
{
	usleep(ms * 1000);
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

uint64_t platform_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t platform_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

void *platform_map(const char *path, uint64_t *bytes)
{
	const int file = open(path, O_RDWR | O_CLOEXEC);
	struct stat stat;
	void *memory;

	if (file < 0 || fstat(file, &stat))
		return NULL;
	*bytes = (uint64_t)stat.st_size;
	memory = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	return memory == MAP_FAILED ? NULL : memory;
}

void platform_unmap(void *memory, uint64_t bytes)
{
	munmap(memory, bytes);
}
