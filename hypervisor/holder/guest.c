/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making, keeping and dropping a guest's descriptors, and taking them back after a restart.
 */
#define _GNU_SOURCE
#include <stdint.h>

#include "guest.h"

#include <errno.h>
#include <endian.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peer.h"
#include "socket.h"
#include "store.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
/* ivshmem's protocol version, and what stands for the region in place of a peer's id. */
#define PROTOCOL_VERSION 0
#define REGION_MESSAGE (-1)
#define PATH_BYTES 256

static const char *const bell_kinds[GUEST_BELLS] = { "server0", "server1", "guest0", "guest1" };

static struct guest *guests[GUESTS_MAX];
static const char *sockets_directory;
static uid_t peers_uid;

void guests_open(const char *directory, uid_t peer_uid)
{
	sockets_directory = directory;
	peers_uid = peer_uid;
}

struct guest *guest_at(uint32_t place)
{
	return place < GUESTS_MAX ? guests[place] : NULL;
}

struct guest *guest_find(const char *name)
{
	for (uint32_t place = 0; place < GUESTS_MAX; place++) {
		if (guests[place] && strcmp(guests[place]->name, name) == 0)
			return guests[place];
	}
	return NULL;
}

static void socket_path(const struct guest *guest, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/%s.sock", sockets_directory, guest->name);
}

/* Letters, digits, dots, dashes and underscores: a file's name and a descriptor's as well. */
static bool is_name(const char *name)
{
	const char *const letters =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const size_t length = strlen(name);

	return length > 0 && length <= GUEST_NAME_BYTES_MAX && name[0] != '.' && name[0] != '-' &&
	       strspn(name, letters) == length;
}

static bool is_region_size(uint64_t bytes)
{
	return bytes >= UC_REGION_BYTES_MIN && bytes <= UC_REGION_BYTES_MAX &&
	       (bytes & (bytes - 1)) == 0;
}

static struct guest *make_guest(const char *name)
{
	for (uint32_t place = 0; place < GUESTS_MAX; place++) {
		if (guests[place])
			continue;
		struct guest *guest = calloc(1, sizeof(*guest));

		if (!guest)
			return NULL;
		snprintf(guest->name, sizeof(guest->name), "%s", name);
		guest->region = -1;
		for (uint32_t bell = 0; bell < GUEST_BELLS; bell++)
			guest->bells[bell] = -1;
		guest->listener.fd = -1;
		guest->peer.fd = -1;
		guests[place] = guest;
		return guest;
	}
	return NULL;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Closes everything and forgets the guest; nothing may be stored any more. */
static void drop_guest(struct guest *guest)
{
	loop_close(&guest->listener);
	loop_close(&guest->peer);
	close_fd(guest->region);
	for (uint32_t bell = 0; bell < GUEST_BELLS; bell++)
		close_fd(guest->bells[bell]);
	for (uint32_t place = 0; place < GUESTS_MAX; place++) {
		if (guests[place] == guest)
			guests[place] = NULL;
	}
	free(guest);
}

static void forget_stored(const struct guest *guest)
{
	store_forget("region", guest->name);
	store_forget("listener", guest->name);
	store_forget("peer", guest->name);
	for (uint32_t bell = 0; bell < GUEST_BELLS; bell++)
		store_forget(bell_kinds[bell], guest->name);
}

static int open_region(struct guest *guest)
{
	guest->region = memfd_create(guest->name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (guest->region < 0 || ftruncate(guest->region, (off_t)guest->bytes) != 0 ||
	    fcntl(guest->region, F_ADD_SEALS, SEALS) != 0)
		return -1;
	return 0;
}

static int open_bells(struct guest *guest)
{
	for (uint32_t bell = 0; bell < GUEST_BELLS; bell++) {
		guest->bells[bell] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (guest->bells[bell] < 0)
			return -1;
	}
	return 0;
}

/* The other peer's eventfds come first, QEMU's own last. */
static void build_setup(struct guest *guest)
{
	struct setup_message *next = guest->setup;

	*next++ = (struct setup_message){ (int64_t)htole64(PROTOCOL_VERSION), -1 };
	*next++ = (struct setup_message){ (int64_t)htole64(UC_DOORBELL_PEER_GUEST), -1 };
	*next++ = (struct setup_message){ (int64_t)htole64((uint64_t)REGION_MESSAGE),
					  guest->region };
	for (uint32_t bell = 0; bell < GUEST_BELLS; bell++) {
		const uint64_t peer = bell / UC_DOORBELL_VECTORS;

		*next++ = (struct setup_message){ (int64_t)htole64(peer), guest->bells[bell] };
	}
}

/* A socket that was kept has QEMUs waiting that came meanwhile; without its name it is no use. */
static int open_listener(struct guest *guest, struct cause *cause)
{
	char path[PATH_BYTES];

	socket_path(guest, path);
	if (guest->listener.fd >= 0 && access(path, F_OK) != 0) {
		close(guest->listener.fd);
		guest->listener.fd = -1;
	}
	if (guest->listener.fd < 0) {
		guest->listener.fd = socket_listen(path, peers_uid, cause);
		if (guest->listener.fd < 0)
			return -1;
		store_forget("listener", guest->name);
		store_keep("listener", guest->name, guest->listener.fd);
	}
	build_setup(guest);
	peer_open(guest, peers_uid);
	const int error = loop_add(&guest->listener);

	return error == 0 ? 0 : cause_set(cause, "cannot watch %s: %s", path, strerror(-error));
}

int guest_add(const char *name, uint64_t bytes, struct cause *cause)
{
	if (!is_name(name))
		return cause_set(cause, "a guest's name has 1 to %u of the characters a-z, A-Z, "
					"0-9, '.', '_', '-', and begins with none of the last two",
				 GUEST_NAME_BYTES_MAX);
	if (!is_region_size(bytes))
		return cause_set(cause, "a region of %llu bytes is not possible: take a power of "
					"two from %u to %u",
				 (unsigned long long)bytes, UC_REGION_BYTES_MIN, UC_REGION_BYTES_MAX);
	if (guest_find(name))
		return cause_set(cause, "guest %s is there already", name);
	struct guest *guest = make_guest(name);

	if (!guest)
		return cause_set(cause, "no place is left for guest %s: %u are kept", name,
				 GUESTS_MAX);
	guest->bytes = bytes;
	if (open_region(guest) != 0 || open_bells(guest) != 0) {
		cause_set(cause, "cannot make the region of guest %s: %s", name, strerror(errno));
		drop_guest(guest);
		return -1;
	}
	if (open_listener(guest, cause) != 0) {
		store_forget("listener", name);
		drop_guest(guest);
		return -1;
	}
	store_keep("region", name, guest->region);
	for (uint32_t bell = 0; bell < GUEST_BELLS; bell++)
		store_keep(bell_kinds[bell], name, guest->bells[bell]);
	return 0;
}

int guest_remove(const char *name, struct cause *cause)
{
	char path[PATH_BYTES];
	struct guest *guest = guest_find(name);

	if (!guest)
		return cause_set(cause, "no guest %s is kept here", name);
	if (guest->peer.fd >= 0)
		return cause_set(cause, "guest %s runs, in process %d: stop it first", name,
				 (int)guest->peer_pid);
	socket_path(guest, path);
	unlink(path);
	forget_stored(guest);
	drop_guest(guest);
	return 0;
}

/* Where a stored descriptor of that kind belongs, or NULL. */
static int *place_of(struct guest *guest, const char *kind)
{
	if (strcmp(kind, "region") == 0)
		return &guest->region;
	if (strcmp(kind, "listener") == 0)
		return &guest->listener.fd;
	if (strcmp(kind, "peer") == 0)
		return &guest->peer.fd;
	for (uint32_t bell = 0; bell < GUEST_BELLS; bell++) {
		if (strcmp(kind, bell_kinds[bell]) == 0)
			return &guest->bells[bell];
	}
	return NULL;
}

void guests_take(const char *stored, int fd)
{
	char kind[STORE_NAME_BYTES];
	const char *dot = strchr(stored, '.');
	struct guest *guest = NULL;
	int *place = NULL;

	snprintf(kind, sizeof(kind), "%.*s", dot ? (int)(dot - stored) : 0, stored);
	if (dot && is_name(dot + 1)) {
		guest = guest_find(dot + 1);
		if (!guest)
			guest = make_guest(dot + 1);
		place = guest ? place_of(guest, kind) : NULL;
	}
	if (place && *place < 0) {
		*place = fd;
		return;
	}
	say("the service manager handed over \"%.64s\", which belongs to no guest", stored);
	close(fd);
}

/* NULL, or what an earlier holder's guest lacks. */
static const char *what_lacks(struct guest *guest)
{
	struct stat stat;

	if (guest->region < 0 || fstat(guest->region, &stat) != 0)
		return "its region";
	const int seals = fcntl(guest->region, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || !is_region_size((uint64_t)stat.st_size))
		return "a sealed region";
	guest->bytes = (uint64_t)stat.st_size;
	for (uint32_t bell = 0; bell < GUEST_BELLS; bell++) {
		if (guest->bells[bell] < 0)
			return "an eventfd";
	}
	return NULL;
}

void guests_resume(void)
{
	for (uint32_t place = 0; place < GUESTS_MAX; place++) {
		struct guest *guest = guests[place];
		struct cause cause;

		if (!guest)
			continue;
		const char *lack = what_lacks(guest);

		if (lack) {
			say("guest %s comes back without %s and is dropped", guest->name, lack);
			forget_stored(guest);
			drop_guest(guest);
			continue;
		}
		/* Its QEMU, its region and its doorbells are whole all the same. */
		if (open_listener(guest, &cause) != 0)
			say("guest %s: %s", guest->name, cause.text);
		peer_resume(guest);
	}
}

void guests_close(void)
{
	for (uint32_t place = 0; place < GUESTS_MAX; place++) {
		char path[PATH_BYTES];

		if (!guests[place] || guests[place]->listener.fd < 0)
			continue;
		socket_path(guests[place], path);
		unlink(path);
	}
}
