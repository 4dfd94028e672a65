// SPDX-License-Identifier: Apache-2.0
/*
 * udp-send ADDRESS PORT COUNT BYTES GAP_US: sends datagrams and prints how many the kernel took.
 * For tests that count packets; COUNT and the gap bound what it does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MAX 1400

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	static char payload[BYTES_MAX];
	long sent = 0, count, bytes, gap;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 6 || fd < 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((unsigned short)atoi(argv[2]));
	count = atol(argv[3]);
	bytes = atol(argv[4]);
	gap = atol(argv[5]);
	if (bytes < 0 || bytes > BYTES_MAX)
		return 2;
	while (sent < count) {
		if (sendto(fd, payload, (size_t)bytes, 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
			/* Full for a moment, or a closed port said so: neither was this datagram's fault. */
			if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED)
				break;
			usleep(1000);
			continue;
		}
		sent++;
		if (gap > 0)
			usleep((useconds_t)gap);
	}
	printf("%ld\n", sent);
	return 0;
}
