/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder's one thread: waits for descriptors and calls who watches them. Everything that is
 * called returns at once, so that no peer can hold up another.
 */
#ifndef HOLDER_LOOP_H
#define HOLDER_LOOP_H

#include <stdint.h>

/* Part of what its owner keeps; fd is -1 while there is nothing to watch. */
struct watch {
	int fd;
	/* events: EPOLL*. May remove and free this watch and any other. */
	void (*ready)(struct watch *watch, uint32_t events);
};

/* 0, or -errno. SIGTERM and SIGINT end loop_run() from then on. */
int loop_open(void);
/* Watches for bytes and for the other side's end. 0, or -errno. */
int loop_add(struct watch *watch);
/* Ends the watch and closes its descriptor. Harmless when there is none. */
void loop_close(struct watch *watch);
/* 0 after a signal, or -errno. */
int loop_run(void);

#endif /* HOLDER_LOOP_H */
