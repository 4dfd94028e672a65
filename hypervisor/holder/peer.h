/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's connection of one guest: who may come, what it is told, and when it ends.
 */
#ifndef HOLDER_PEER_H
#define HOLDER_PEER_H

#include <sys/types.h>

#include "guest.h"

/* Sets who is called for the guest's listener and its QEMU. */
void peer_open(struct guest *guest, uid_t uid);

/* Watches a connection that an earlier holder accepted. */
void peer_resume(struct guest *guest);

#endif /* HOLDER_PEER_H */
