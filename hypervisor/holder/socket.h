/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UNIX stream sockets as the holder needs them: a listener that one user may open, who is at the
 * other end, and bytes with descriptors beside them. Nothing here waits.
 */
#ifndef HOLDER_SOCKET_H
#define HOLDER_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#include "cause.h"

#define SOCKET_FDS_MAX 8u

/*
 * Makes a socket at that path, mode 0600 and of that user, in place of one that nobody listens to.
 * The descriptor, or -1 with the cause.
 */
int socket_listen(const char *path, uid_t uid, struct cause *cause);

/* Next connection, or -1: none, or it went away. */
int socket_accept(int listener);

/* Who connected, told by the kernel. 0, or -1. */
int socket_peer(int fd, uid_t *uid, pid_t *pid);

/* 0 when all bytes went out with all descriptors, else -1. */
int socket_send(int fd, const void *bytes, size_t count, const int *fds, size_t fd_count);

#endif /* HOLDER_SOCKET_H */
