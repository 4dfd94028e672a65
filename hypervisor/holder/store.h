/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager's descriptor store (sd_notify(3), sd_listen_fds(3)): what is kept there
 * outlives this process and comes back to the next one. Spoken by hand; without a service manager
 * every call does nothing.
 */
#ifndef HOLDER_STORE_H
#define HOLDER_STORE_H

#include <stdbool.h>

/* Names that the manager takes are shorter than this, printable and without a colon. */
#define STORE_NAME_BYTES 128u

/* Takes the manager's address out of the environment. False: nobody keeps anything. */
bool store_open(void);

/* Keeps a descriptor under a name, KIND.GUEST. One name, one descriptor. */
void store_keep(const char *kind, const char *guest, int fd);
void store_forget(const char *kind, const char *guest);

/*
 * Hands over each descriptor that an earlier process kept; name may be that of anything else that
 * the manager passed on. Who takes it owns it.
 */
void store_take(void (*take)(const char *name, int fd));

/* Tells the manager that the service is up. */
void store_ready(void);

#endif /* HOLDER_STORE_H */
