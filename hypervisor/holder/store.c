/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams to the manager's socket, and what it handed over from descriptor 3 on.
 */
#define _GNU_SOURCE
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cause.h"

#define FIRST_FD 3
/* A manager that is busy is waited for; without its copy a crash would cost the guest's region. */
#define PATIENCE_SECONDS 2

static int manager = -1;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_bytes;

bool store_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };

	if (!path || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, strlen(path));
	address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	/* An abstract name is as long as it is; a path ends with its zero. */
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	else
		address_bytes++;
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (manager < 0)
		return false;
	setsockopt(manager, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return true;
}

static void tell(const char *text, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { .iov_base = (void *)text, .iov_len = strlen(text) };
	struct msghdr message = { .msg_name = &address,
				  .msg_namelen = address_bytes,
				  .msg_iov = &part,
				  .msg_iovlen = 1 };

	if (manager < 0)
		return;
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	}
	if (sendmsg(manager, &message, MSG_NOSIGNAL) < 0)
		say("the service manager does not take \"%.60s\": %s", text, strerror(errno));
}

void store_keep(const char *kind, const char *guest, int fd)
{
	char text[STORE_NAME_BYTES + 32];

	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s.%s", kind, guest);
	tell(text, fd);
}

void store_forget(const char *kind, const char *guest)
{
	char text[STORE_NAME_BYTES + 32];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s.%s", kind, guest);
	tell(text, -1);
}

void store_ready(void)
{
	tell("READY=1", -1);
}

void store_take(void (*take)(const char *name, int fd))
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");

	if (!pid || !count || !names || strtol(pid, NULL, 10) != (long)getpid())
		return;
	const int end = FIRST_FD + (int)strtol(count, NULL, 10);

	for (int fd = FIRST_FD; fd < end; fd++) {
		char name[STORE_NAME_BYTES];
		const size_t length = strcspn(names, ":");

		snprintf(name, sizeof(name), "%.*s", (int)length, names);
		names += length + (names[length] == ':');
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
			take(name, fd);
	}
}
