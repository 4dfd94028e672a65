// SPDX-License-Identifier: Apache-2.0
// Opens a file so many times, with a pause before each: open-files PATH COUNT PAUSE_US. One event a
// time and no new process, so that nothing else is to be told between two of them.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const long count = argc > 3 ? atol(argv[2]) : 0;
	const long pause_us = argc > 3 ? atol(argv[3]) : 0;

	for (long at = 0; at < count; at++) {
		if (pause_us > 0)
			usleep((useconds_t)pause_us);
		const int fd = open(argv[1], O_RDONLY);

		if (fd < 0) {
			perror(argv[1]);
			return 1;
		}
		close(fd);
	}
	return 0;
}
