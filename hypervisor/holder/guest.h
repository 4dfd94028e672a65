/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guests that the holder keeps: each has one sealed memory file, four eventfds, one socket to
 * which its QEMU connects, and at most one QEMU there. What a guest's QEMU is told is ivshmem's
 * server protocol (QEMU's docs/specs/ivshmem-spec), built when the guest is added.
 */
#ifndef HOLDER_GUEST_H
#define HOLDER_GUEST_H

#include <stdint.h>
#include <sys/types.h>

#include "cause.h"
#include "loop.h"

#include "../../guest-drivers/wire/uc_wire.h"

#define GUESTS_MAX 256u
#define GUEST_NAME_BYTES_MAX 64u
/* Region, four eventfds, listener, QEMU. */
#define GUEST_FDS (1u + GUEST_BELLS + 2u)
#define GUEST_PEERS 2u
#define GUEST_BELLS (GUEST_PEERS * UC_DOORBELL_VECTORS)
/* Version, own id, region, then each eventfd. */
#define GUEST_SETUP (3u + GUEST_BELLS)

struct setup_message {
	/* As on the wire, little-endian. */
	int64_t value;
	/* -1: none goes with it. */
	int fd;
};

struct guest {
	char name[GUEST_NAME_BYTES_MAX + 1];
	uint64_t bytes;
	int region;
	/* The server's by vector, then the guest's: bell(peer, vector) is at peer * vectors + vector. */
	int bells[GUEST_BELLS];
	struct setup_message setup[GUEST_SETUP];
	struct watch listener;
	/* QEMU's connection. */
	struct watch peer;
	pid_t peer_pid;
};

/* Where the sockets lie, and which user QEMU runs as beside the holder's own. */
void guests_open(const char *directory, uid_t peer_uid);

/* Each 0, or -1 with the cause, having changed nothing. */
int guest_add(const char *name, uint64_t bytes, struct cause *cause);
int guest_remove(const char *name, struct cause *cause);

/* NULL when there is none of that name. */
struct guest *guest_find(const char *name);
/* By place, from 0 to GUESTS_MAX - 1; NULL for a place that is free. */
struct guest *guest_at(uint32_t place);

/* Takes back one descriptor of an earlier holder, by the name it was stored under. */
void guests_take(const char *stored, int fd);
/* After the last one: whole guests listen again, others are dropped and told about. */
void guests_resume(void);

/* Removes the sockets' names, where nobody keeps the sockets. */
void guests_close(void);

#endif /* HOLDER_GUEST_H */
