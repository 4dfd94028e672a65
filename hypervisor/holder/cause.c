/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of errors and of the log. What comes from outside has been checked before it gets here.
 */
#define _GNU_SOURCE
#include "cause.h"

#include <stdarg.h>
#include <stdio.h>

int cause_set(struct cause *cause, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(cause->text, sizeof(cause->text), format, arguments);
	va_end(arguments);
	return -1;
}

void say(const char *format, ...)
{
	char text[320];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "undercroft-holder: %s\n", text);
}
