/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads requests line by line and answers each with lines that end in `ok ...` or `error CAUSE`.
 * A client that does not read its answers is disconnected.
 */
#define _GNU_SOURCE
#include <stdint.h>

#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "loop.h"
#include "socket.h"

#define WORDS_MAX 3u
#define ANSWER_BYTES 256
/* "guest ", a name, a size and a process. */
#define LIST_LINE_BYTES (GUEST_NAME_BYTES_MAX + 40u)

struct client {
	struct watch watch;
	size_t held;
	char line[CONTROL_LINE_BYTES];
};

static struct client clients[CONTROL_CLIENTS_MAX];
static struct watch listener = { .fd = -1 };

static int answer(struct client *client, const char *text)
{
	return socket_send(client->watch.fd, text, strlen(text), NULL, 0);
}

static int refuse(struct client *client, const struct cause *cause)
{
	char text[ANSWER_BYTES];

	snprintf(text, sizeof(text), "error %s\n", cause->text);
	return answer(client, text);
}

static int add(struct client *client, char *const words[])
{
	struct cause cause;
	char *end;

	errno = 0;
	const uint64_t bytes = strtoull(words[2], &end, 10);

	if (words[2][0] < '0' || words[2][0] > '9' || *end != '\0' || errno != 0)
		cause_set(&cause, "\"%s\" is not a number of bytes", words[2]);
	else if (guest_add(words[1], bytes, &cause) == 0)
		return answer(client, "ok\n");
	return refuse(client, &cause);
}

static int remove_guest(struct client *client, char *const words[])
{
	struct cause cause;

	return guest_remove(words[1], &cause) == 0 ? answer(client, "ok\n") :
						     refuse(client, &cause);
}

/* At once, because each send has a cost of its own in the client's buffer. */
static int list(struct client *client, char *const words[])
{
	static char text[GUESTS_MAX * LIST_LINE_BYTES + sizeof("ok\n")];
	size_t at = 0;
	char pid[16];

	(void)words;
	for (uint32_t place = 0; place < GUESTS_MAX; place++) {
		const struct guest *guest = guest_at(place);

		if (!guest)
			continue;
		snprintf(pid, sizeof(pid), "%d", (int)guest->peer_pid);
		at += (size_t)snprintf(text + at, LIST_LINE_BYTES, "guest %s %" PRIu64 " %s\n",
				       guest->name, guest->bytes,
				       guest->peer.fd >= 0 ? pid : "-");
	}
	snprintf(text + at, sizeof("ok\n"), "ok\n");
	return answer(client, text);
}

static int attach(struct client *client, char *const words[])
{
	const struct guest *guest = guest_find(words[1]);
	int fds[1 + GUEST_BELLS];
	char text[ANSWER_BYTES];
	struct cause cause;

	if (!guest) {
		cause_set(&cause, "no guest %s is kept here", words[1]);
		return refuse(client, &cause);
	}
	fds[0] = guest->region;
	memcpy(&fds[1], guest->bells, sizeof(guest->bells));
	snprintf(text, sizeof(text), "ok %" PRIu64 "\n", guest->bytes);
	return socket_send(client->watch.fd, text, strlen(text), fds, 1 + GUEST_BELLS);
}

static const struct request {
	const char *word;
	size_t words;
	int (*run)(struct client *client, char *const words[]);
} requests[] = {
	{ "add", 3, add },
	{ "remove", 2, remove_guest },
	{ "list", 1, list },
	{ "attach", 2, attach },
};

/* One request. 0, or -1 when the client is to be disconnected. */
static int run_line(struct client *client, char *line)
{
	char *words[WORDS_MAX + 1] = { NULL };
	size_t count = 0;
	char *rest = line;
	struct cause cause;

	while (count <= WORDS_MAX && (words[count] = strtok_r(rest, " ", &rest)))
		count++;
	for (size_t at = 0; count > 0 && at < sizeof(requests) / sizeof(requests[0]); at++) {
		if (strcmp(words[0], requests[at].word) == 0 && count == requests[at].words)
			return requests[at].run(client, words);
	}
	cause_set(&cause, "not understood; say: add NAME BYTES, remove NAME, list, or attach NAME");
	return refuse(client, &cause);
}

/* Only what a terminal shows may come back in an answer or in the log. */
static bool is_printable(const char *line, size_t bytes)
{
	for (size_t at = 0; at < bytes; at++) {
		if (line[at] < ' ' || line[at] > '~')
			return false;
	}
	return true;
}

static int run_lines(struct client *client)
{
	char *end;

	while ((end = memchr(client->line, '\n', client->held))) {
		const size_t bytes = (size_t)(end - client->line);

		*end = '\0';
		if (!is_printable(client->line, bytes))
			return answer(client, "error a request is a line of printable ASCII\n"), -1;
		if (run_line(client, client->line) != 0)
			return -1;
		client->held -= bytes + 1;
		memmove(client->line, end + 1, client->held);
	}
	if (client->held < sizeof(client->line))
		return 0;
	answer(client, "error a request is longer than a line may be\n");
	return -1;
}

static void on_client(struct watch *watch, uint32_t events)
{
	struct client *client = (struct client *)watch;
	const ssize_t count = read(watch->fd, client->line + client->held,
				   sizeof(client->line) - client->held);

	(void)events;
	if (count < 0 && errno == EAGAIN)
		return;
	if (count > 0) {
		client->held += (size_t)count;
		if (run_lines(client) == 0)
			return;
	}
	loop_close(watch);
}

static void on_listener(struct watch *watch, uint32_t events)
{
	const int fd = socket_accept(watch->fd);
	uid_t uid = 0;
	pid_t pid = 0;

	(void)events;
	if (fd < 0)
		return;
	/* TRUST: the socket's mode says it already; a descriptor may have been passed on. */
	if (socket_peer(fd, &uid, &pid) != 0 || (uid != 0 && uid != geteuid())) {
		say("process %d of user %u may not give orders", (int)pid, (unsigned)uid);
		close(fd);
		return;
	}
	for (size_t at = 0; at < CONTROL_CLIENTS_MAX; at++) {
		struct client *client = &clients[at];

		if (client->watch.fd >= 0)
			continue;
		*client = (struct client){ .watch = { .fd = fd, .ready = on_client } };
		if (loop_add(&client->watch) != 0)
			loop_close(&client->watch);
		return;
	}
	static const char full[] = "error too many clients are connected\n";

	socket_send(fd, full, sizeof(full) - 1, NULL, 0);
	close(fd);
}

int control_open(const char *path, struct cause *cause)
{
	for (size_t at = 0; at < CONTROL_CLIENTS_MAX; at++)
		clients[at].watch.fd = -1;
	listener.fd = socket_listen(path, geteuid(), cause);
	if (listener.fd < 0)
		return -1;
	listener.ready = on_listener;
	const int error = loop_add(&listener);

	return error == 0 ? 0 : cause_set(cause, "cannot watch %s: %s", path, strerror(-error));
}
