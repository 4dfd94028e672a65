/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why something could not be done, as one line for a person: answered on the control socket, or
 * written to standard error.
 */
#ifndef HOLDER_CAUSE_H
#define HOLDER_CAUSE_H

struct cause {
	char text[224];
};

/* Sets the text, on one line, and returns -1. */
__attribute__((format(printf, 2, 3))) int cause_set(struct cause *cause, const char *format, ...);

/* A line on standard error, which the service manager keeps. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

#endif /* HOLDER_CAUSE_H */
