/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations from a seed, by several threads at once, with calls that fail at random: texts
 * that are no texts, lengths that do not fit, files closed before they were told of.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

#define PIDS 24
#define FIRST_PID 1000u

struct worker {
	uint32_t state;
	uint32_t operations;
	uint32_t index;
};

static uint32_t draw(struct worker *worker, uint32_t below)
{
	worker->state = worker->state * 1664525u + 1013904223u;
	return (worker->state >> 8) % below;
}

/* Printable mostly; sometimes long, or with what UTF-16 has to pair, or half a pair. */
static void make_text(struct worker *worker, char *text, uint32_t room)
{
	static const char *const odd[] = { "\xf0\x9f\x92\xa9", "\xed\xa0\x80", "\xe2\x80\xae", "\\",
					   "\xd0\x96", "\x01", "\"", " " };
	uint32_t length = draw(worker, 40) ? draw(worker, 60) : draw(worker, room - 8);
	uint32_t used = 0;

	while (used < length) {
		if (draw(worker, 12) == 0) {
			const char *piece = odd[draw(worker, 8)];

			memcpy(text + used, piece, strlen(piece));
			used += (uint32_t)strlen(piece);
		} else {
			text[used++] = (char)('A' + draw(worker, 58));
		}
	}
	text[used] = 0;
}

static uint32_t own_pid(struct worker *worker)
{
	return FIRST_PID + 4 * (worker->index * PIDS + draw(worker, PIDS));
}

static void process_step(struct worker *worker, char *text)
{
	const uint32_t pid = own_pid(worker);
	const struct sim_process_plan plan = {
		.pid = pid,
		.parent = draw(worker, 4) ? 4 : own_pid(worker),
		.sid = draw(worker, 2) ? "S-1-5-18" : "S-1-5-21-1-2-3-1001",
		.integrity = 0x2000,
		.path = "\\Device\\HarddiskVolume3\\Windows\\System32\\cmd.exe",
		.command_line = text,
	};

	if (sim_process_alive(pid))
		sim_process_exit(pid, draw(worker, 256));
	else
		sim_process_start(&plan);
}

static void file_step(struct worker *worker, char *text)
{
	static const char *const operations[] = {
		"create",   "open",	"write",  "overwrite", "execute",  "mkdir",	"opendir",
		"internal", "doc",	"rename", "renameex",  "delete",   "deleteex", "undelete",
		"reparse",  "truncate", "attributes", "security",
	};
	const struct sim_file_plan plan = {
		.operation = operations[draw(worker, sizeof(operations) / sizeof(*operations))],
		.path = text,
		.argument = draw(worker, 2) ? "4096" : "\\Device\\HarddiskVolume3\\other",
		.kernel_mode = draw(worker, 4) == 0,
		.fails = draw(worker, 5) == 0,
	};

	sim_file(&plan);
}

static void key_step(struct worker *worker, char *text)
{
	static const char *const operations[] = { "create", "createopen", "open",   "close", "read",
						  "enumerate", "rename",  "delete", "set",   "unset",
						  "other" };
	static const uint8_t data[4096];
	const struct sim_key_plan plan = {
		.operation = operations[draw(worker, sizeof(operations) / sizeof(*operations))],
		.key = text,
		.name = draw(worker, 3) ? "Value" : text,
		.type = draw(worker, 12),
		.data = data,
		.data_bytes = draw(worker, 4) ? draw(worker, 64) : draw(worker, sizeof(data)),
		.fails = draw(worker, 5) == 0,
	};

	sim_key(&plan);
}

static void run(void *context)
{
	struct worker *worker = context;
	char *text = malloc(40000);
	uint32_t i;

	if (!text)
		abort();
	for (i = 0; i < worker->operations; i++) {
		const uint32_t pid = own_pid(worker);

		sim_become(sim_process_alive(pid) ? pid : 4, pid + 1, worker->index);
		make_text(worker, text, 40000);
		switch (draw(worker, 12)) {
		case 0:
		case 1:
			process_step(worker, text);
			break;
		case 2:
			sim_image(draw(worker, 8) ? pid : 0, text, 0x7ff000000000ull, 4096);
			break;
		case 3:
			sim_remote_thread(sim_pid(), own_pid(worker), 77, 0x1000);
			break;
		case 4:
			sim_thread_handle(draw(worker, 0x10000), draw(worker, 2) != 0,
					  draw(worker, 2) != 0, draw(worker, 2) != 0);
			break;
		case 5:
		case 6:
		case 7:
			key_step(worker, text);
			break;
		default:
			file_step(worker, text);
			break;
		}
	}
	free(text);
}

void sim_fuzz(uint32_t seed, uint32_t operations, uint32_t threads, uint32_t fail_one_in)
{
	struct worker workers[4];
	void *handles[4];
	uint32_t i;

	if (threads < 1 || threads > 4)
		threads = 1;
	sim_fail_randomly(fail_one_in, seed);
	for (i = 0; i < threads; i++) {
		workers[i] = (struct worker){ seed * 7919 + i, operations / threads, i };
		handles[i] = platform_thread(run, &workers[i]);
	}
	for (i = 0; i < threads; i++)
		platform_join(handles[i]);
	sim_fail_randomly(0, 0);
}
