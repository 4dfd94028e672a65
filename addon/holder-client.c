/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UNIX stream connection that lasts one request. TRUST: the holder is root's, so its answer is
 * bounded here and judged by the caller, but not suspected.
 */
#define _GNU_SOURCE
#include "holder-client.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 16u

static int open_connection(const char *path)
{
	const struct timeval patience = { .tv_sec = UC_HOLDER_PATIENCE_SECONDS };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		const int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static int send_line(int fd, const char *line)
{
	struct iovec parts[2] = { { (void *)line, strlen(line) }, { (void *)"\n", 1 } };
	const struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

	if (sent < 0)
		return -errno;
	return (size_t)sent == parts[0].iov_len + 1 ? 0 : -EIO;
}

/* True when the last line is whole and ends the answer. */
static bool is_answered(const uint8_t *text, size_t bytes)
{
	if (bytes == 0 || text[bytes - 1] != '\n')
		return false;
	const uint8_t *before = memrchr(text, '\n', bytes - 1);
	const uint8_t *last = before ? before + 1 : text;
	const size_t left = (size_t)(text + bytes - last);

	return (left >= 2 && memcmp(last, "ok", 2) == 0) ||
	       (left >= 5 && memcmp(last, "error", 5) == 0);
}

/* Descriptors beyond the caller's room are closed. */
static void take_fds(struct msghdr *message, const struct uc_holder_answer *answer, size_t *held)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head;
	     head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t at = 0; at < count; at++) {
			int fd;

			memcpy(&fd, CMSG_DATA(head) + at * sizeof(int), sizeof(fd));
			if (*held < answer->fds_max)
				answer->fds[(*held)++] = fd;
			else
				close(fd);
		}
	}
}

static int64_t read_answer(int fd, const struct uc_holder_answer *answer, size_t *held)
{
	size_t bytes = 0;

	while (!is_answered(answer->text, bytes)) {
		union {
			struct cmsghdr head;
			char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
		} control;
		struct iovec part = { answer->text + bytes, answer->text_bytes - bytes };
		struct msghdr message = { .msg_iov = &part,
					  .msg_iovlen = 1,
					  .msg_control = &control,
					  .msg_controllen = sizeof(control) };

		if (part.iov_len == 0)
			return -EMSGSIZE;
		const ssize_t count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

		if (count < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (count == 0)
			return -ECONNRESET;
		if (count < 0)
			continue;
		take_fds(&message, answer, held);
		bytes += (size_t)count;
	}
	return (int64_t)bytes;
}

int64_t uc_holder_ask(const char *path, const char *line, const struct uc_holder_answer *answer)
{
	size_t held = 0;
	const int fd = open_connection(path);

	for (size_t at = 0; at < answer->fds_max; at++)
		answer->fds[at] = -1;
	if (fd < 0)
		return fd;
	int64_t result = send_line(fd, line);

	if (result == 0)
		result = read_answer(fd, answer, &held);
	close(fd);
	for (size_t at = 0; result < 0 && at < held; at++) {
		close(answer->fds[at]);
		answer->fds[at] = -1;
	}
	return result;
}
