/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Lines on standard input: words that a scenario waits for, and in between, at any time, steps of a
 * made-up process that uses the network. Each step tells its result as "point NAME ok" or "point
 * NAME failed". Called from the thread that plays the scenario.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <unistd.h>

#include "guest.h"

#define DNS_PORT 53u
#define UDP 17u
#define PATH "/usr/bin/client"
/* What the first network namespace is called. */
#define NETWORK_NAMESPACE 4026531840u

void tell(const char *name, bool ok)
{
	printf("point %s %s\n", name, ok ? "ok" : "failed");
	fflush(stdout);
}

/* The family of an address in words, or 0 when it is none. */
static uint16_t read_address(const char *text, uint8_t bytes[16])
{
	if (inet_pton(AF_INET, text, bytes) == 1)
		return UC_ADDRESS_IPV4;
	return inet_pton(AF_INET6, text, bytes) == 1 ? UC_ADDRESS_IPV6 : 0;
}

static bool set_addresses(struct uc_socket_event *body, const char *local, const char *remote)
{
	const uint16_t family = read_address(local, body->local_address);

	body->family = family;
	body->network_namespace = NETWORK_NAMESPACE;
	return family != 0 && read_address(remote, body->remote_address) == family;
}

static bool emit_from_process(struct guest *guest, uint16_t type, struct uc_socket_event *body,
			      const struct field *fields, uint32_t field_count)
{
	struct process *process = process_start(guest, &guest->processes[0], 0);

	if (!process)
		return false;
	process_exec(guest, process, PATH, "client", 7);
	body->socket_cookie = ++guest->sockets;
	if (uc_counter_load(&guest->sensors) & UC_SENSOR_SOCKET)
		emit(guest, type, process, body, fields, field_count);
	process_exit(guest, process, 0);
	return true;
}

/* PROTOCOL LOCAL PORT REMOTE PORT RESULT */
static bool use_socket(struct guest *guest, uint16_t type, const char *text)
{
	struct uc_socket_event body = { 0 };
	char local[64], remote[64];

	if (sscanf(text, "%hu %63s %hu %63s %hu %u", &body.protocol, local, &body.local_port,
		   remote, &body.remote_port, &body.result) != 6)
		return false;
	return set_addresses(&body, local, remote) &&
	       emit_from_process(guest, type, &body, NULL, 0);
}

/* NAME TYPE TRANSACTION LOCAL PORT SERVER */
static bool ask_name(struct guest *guest, uint16_t type, const char *text)
{
	struct uc_socket_event body = { 0 };
	char name[256], local[64], server[64];
	struct field field = { UC_FIELD_NAME, name, 0 };

	if (sscanf(text, "%255s %hu %hu %63s %hu %63s", name, &body.query_type,
		   &body.transaction_id, local, &body.local_port, server) != 6)
		return false;
	field.count = (uint32_t)strlen(name);
	body.protocol = UDP;
	body.remote_port = DNS_PORT;
	return set_addresses(&body, local, server) &&
	       emit_from_process(guest, type, &body, &field, 1);
}

static const struct {
	const char *word;
	uint16_t type;
	bool (*run)(struct guest *guest, uint16_t type, const char *text);
} steps[] = {
	{ "connect", UC_RECORD_SOCKET_CONNECT, use_socket },
	{ "accept", UC_RECORD_SOCKET_ACCEPT, use_socket },
	{ "send", UC_RECORD_SOCKET_SEND, use_socket },
	{ "dns", UC_RECORD_DNS_QUERY, ask_name },
};

static void run_step(struct guest *guest, const char *line)
{
	const size_t word_bytes = strcspn(line, " ");
	uint32_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (strlen(steps[i].word) == word_bytes &&
		    memcmp(line, steps[i].word, word_bytes) == 0)
			tell(steps[i].word, steps[i].run(guest, steps[i].type, line + word_bytes));
	}
}

bool await_line(struct guest *guest, const char *wanted)
{
	struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
	char line[512];

	while (!uc_counter_load(&guest->stopping)) {
		if (poll(&input, 1, 100) <= 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return false;
		line[strcspn(line, "\n")] = 0;
		if (strcmp(line, wanted) == 0)
			return true;
		run_step(guest, line);
	}
	return false;
}

bool await_ready(struct guest *guest)
{
	/* Lines must not hide in a buffer from poll(). */
	setvbuf(stdin, NULL, _IONBF, 0);
	while (!uc_counter_load(&guest->ready) && !uc_counter_load(&guest->stopping))
		guest_sleep_ms(5);
	return uc_counter_load(&guest->ready) != 0;
}

void steps_run(struct guest *guest)
{
	tell("driver", await_ready(guest));
	await_line(guest, "unload");
	uc_counter_store(&guest->stopping, 1);
}
