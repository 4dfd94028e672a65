// SPDX-License-Identifier: Apache-2.0
// Opens a file so many times, after a pause of about so long: open-files PATH COUNT PAUSE_US. One
// event a time and no new process, so that nothing else is to be told between two of them. With a
// fourth argument it prints when it did, on the boot-time clock: "told stamps NS NS ...".
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int main(int argc, char **argv)
{
	const long count = argc > 3 ? atol(argv[2]) : 0;
	const long pause_us = argc > 3 ? atol(argv[3]) : 0;
	uint64_t *stamps = calloc((size_t)count + 1, sizeof(*stamps));

	for (long at = 0; at < count; at++) {
		/* From half of it to one and a half, so that no timer of the other side keeps step. */
		if (pause_us > 0)
			usleep((useconds_t)(pause_us / 2 + random() % pause_us));
		stamps[at] = now_ns();
		const int fd = open(argv[1], O_RDONLY);

		if (fd < 0) {
			perror(argv[1]);
			return 1;
		}
		close(fd);
	}
	if (argc < 5)
		return 0;
	printf("told stamps");
	for (long at = 0; at < count; at++)
		printf(" %llu", (unsigned long long)stamps[at]);
	printf("\n");
	return 0;
}
