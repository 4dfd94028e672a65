/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting, setting up and disconnecting QEMU. TRUST: whoever connects gets all of the guest's
 * memory, so the kernel is asked who it is, and one at a time is enough.
 */
#define _GNU_SOURCE
#include <stdint.h>

#include "peer.h"

#include <endian.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket.h"
#include "store.h"

#define REFUSED_VERSION 1

static uid_t allowed_uid;

static struct guest *of_listener(struct watch *watch)
{
	return (struct guest *)((char *)watch - offsetof(struct guest, listener));
}

static struct guest *of_peer(struct watch *watch)
{
	return (struct guest *)((char *)watch - offsetof(struct guest, peer));
}

static void disconnect(struct guest *guest)
{
	store_forget("peer", guest->name);
	/* The service manager's copy would keep it open. */
	shutdown(guest->peer.fd, SHUT_RDWR);
	loop_close(&guest->peer);
}

/* QEMU has nothing to say: a byte is as good as an end. */
static void on_peer(struct watch *watch, uint32_t events)
{
	struct guest *guest = of_peer(watch);
	const bool has_ended = events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR);

	if (!has_ended)
		say("guest %s: process %d sent bytes and is disconnected", guest->name,
		    (int)guest->peer_pid);
	disconnect(guest);
}

static bool is_gone(int fd)
{
	struct pollfd peer = { .fd = fd, .events = POLLRDHUP };

	return poll(&peer, 1, 0) > 0;
}

/* Why a connection is refused, or NULL. */
static const char *refusal(struct guest *guest, uid_t uid)
{
	if (uid != geteuid() && uid != allowed_uid)
		return "may not open this guest's memory";
	/* A QEMU that was restarted may be here before the end of the one before is. */
	if (guest->peer.fd >= 0 && is_gone(guest->peer.fd))
		disconnect(guest);
	if (guest->peer.fd >= 0)
		return "comes second: the guest's QEMU is connected";
	return NULL;
}

/*
 * Ends a connection that was not set up. QEMU (7.2) waits for its first message for ever, spinning,
 * even when the connection ends; a version that it does not speak makes it fail and say so.
 */
static void turn_away(int fd)
{
	const int64_t version = (int64_t)htole64(REFUSED_VERSION);

	socket_send(fd, &version, sizeof(version), NULL, 0);
	close(fd);
}

/* A fresh connection's buffer takes all of it: this waits for nobody. */
static bool send_setup(const struct guest *guest, int fd)
{
	for (uint32_t at = 0; at < GUEST_SETUP; at++) {
		const struct setup_message *message = &guest->setup[at];

		if (socket_send(fd, &message->value, sizeof(message->value), &message->fd,
				message->fd >= 0 ? 1 : 0) != 0)
			return false;
	}
	return true;
}

static void on_listener(struct watch *watch, uint32_t events)
{
	struct guest *guest = of_listener(watch);
	const int fd = socket_accept(watch->fd);
	uid_t uid = 0;
	pid_t pid = 0;

	(void)events;
	if (fd < 0)
		return;
	const char *why = socket_peer(fd, &uid, &pid) == 0 ? refusal(guest, uid) :
							    "cannot be told apart";

	if (why) {
		say("guest %s: process %d of user %u %s", guest->name, (int)pid, (unsigned)uid,
		    why);
		turn_away(fd);
		return;
	}
	guest->peer.fd = fd;
	guest->peer_pid = pid;
	if (!send_setup(guest, fd) || loop_add(&guest->peer) != 0) {
		say("guest %s: process %d could not be set up", guest->name, (int)pid);
		loop_close(&guest->peer);
		return;
	}
	store_keep("peer", guest->name, fd);
}

void peer_open(struct guest *guest, uid_t uid)
{
	allowed_uid = uid;
	guest->listener.ready = on_listener;
	guest->peer.ready = on_peer;
}

void peer_resume(struct guest *guest)
{
	uid_t uid = 0;

	if (guest->peer.fd < 0)
		return;
	if (socket_peer(guest->peer.fd, &uid, &guest->peer_pid) != 0 || loop_add(&guest->peer) != 0)
		disconnect(guest);
}
