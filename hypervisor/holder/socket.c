/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UNIX stream sockets.
 */
#define _GNU_SOURCE
#include "socket.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Removes what an earlier holder left behind; one that lives answers and stays. */
static int clear_path(const struct sockaddr_un *address, struct cause *cause)
{
	struct stat stat;

	if (lstat(address->sun_path, &stat) != 0)
		return 0;
	if (!S_ISSOCK(stat.st_mode))
		return cause_set(cause, "%s is there and is no socket", address->sun_path);
	const int fd = open_socket();
	const bool is_answered =
		fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
			    errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	if (is_answered)
		return cause_set(cause, "another process listens at %s", address->sun_path);
	return unlink(address->sun_path) == 0 ?
		       0 :
		       cause_set(cause, "cannot remove %s: %s", address->sun_path, strerror(errno));
}

int socket_listen(const char *path, uid_t uid, struct cause *cause)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return cause_set(cause, "the path %s is longer than a socket's may be", path);
	memcpy(address.sun_path, path, strlen(path));
	if (clear_path(&address, cause) != 0)
		return -1;
	const int fd = open_socket();

	/* The process's umask leaves it to its owner alone from the first moment on. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    (uid != geteuid() && lchown(path, uid, (gid_t)-1) != 0) || listen(fd, BACKLOG) != 0) {
		cause_set(cause, "cannot listen at %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

int socket_accept(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int socket_peer(int fd, uid_t *uid, pid_t *pid)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
		return -1;
	*uid = peer.uid;
	*pid = peer.pid;
	return 0;
}

int socket_send(int fd, const void *bytes, size_t count, const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(SOCKET_FDS_MAX * sizeof(int))];
	} control;
	struct iovec part = { .iov_base = (void *)bytes, .iov_len = count };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd_count > SOCKET_FDS_MAX)
		return -1;
	if (fd_count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);

		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
	}
	const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

	return sent == (ssize_t)count ? 0 : -1;
}
