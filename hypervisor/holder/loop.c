/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop over epoll. One event a turn: what a callback frees cannot be in a later event of the
 * same turn.
 */
#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int epoll_fd = -1;
static bool is_ending;

static void on_signal(struct watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	is_ending = true;
}

static struct watch signals = { .fd = -1, .ready = on_signal };

int loop_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -errno;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (epoll_fd < 0 || signals.fd < 0)
		return -errno;
	return loop_add(&signals);
}

int loop_add(struct watch *watch)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = watch };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) == 0 ? 0 : -errno;
}

void loop_close(struct watch *watch)
{
	if (watch->fd < 0)
		return;
	/* Closing alone would not do: the service manager may hold the same open file. */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	close(watch->fd);
	watch->fd = -1;
}

int loop_run(void)
{
	while (!is_ending) {
		struct epoll_event event;
		const int count = epoll_wait(epoll_fd, &event, 1, -1);

		if (count < 0 && errno != EINTR)
			return -errno;
		if (count > 0) {
			struct watch *watch = event.data.ptr;

			watch->ready(watch, event.events);
		}
	}
	return 0;
}
