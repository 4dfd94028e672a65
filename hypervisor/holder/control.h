/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: whoever may open it adds and removes guests, lists them, and is handed a
 * guest's descriptors. Requests and answers are lines of text; README.md has them.
 */
#ifndef HOLDER_CONTROL_H
#define HOLDER_CONTROL_H

#include "cause.h"

#define CONTROL_CLIENTS_MAX 16u
/* The longest request, its end of line included. */
#define CONTROL_LINE_BYTES 128u

/* Listens; 0, or -1 with the cause. */
int control_open(const char *path, struct cause *cause);

#endif /* HOLDER_CONTROL_H */
