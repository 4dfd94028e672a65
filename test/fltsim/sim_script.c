/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The script: one operation a line, words separated by tabs, one line of answer for each. README.md
 * of this folder has the words.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

#define WORDS_MAX 12
#define DATA_MAX 65536

static char *words[WORDS_MAX];

static uint32_t number(int index)
{
	return (uint32_t)strtoul(words[index], NULL, 0);
}

static uint64_t long_number(int index)
{
	return strtoull(words[index], NULL, 0);
}

static int is(int index, const char *text)
{
	return strcmp(words[index], text) == 0;
}

/* Tabs and newlines of a command line travel escaped. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] == 't' && text[2] == ';') {
			*to++ = '\t';
			text += 2;
		} else if (text[0] == '\\' && text[1] == 'n' && text[2] == ';') {
			*to++ = '\n';
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = 0;
}

static void split(char *line)
{
	static char empty[1];
	int i = 0;

	line[strcspn(line, "\r\n")] = 0;
	for (; i < WORDS_MAX; i++)
		words[i] = empty;
	for (i = 0; line && i < WORDS_MAX; i++) {
		words[i] = line;
		line = strchr(line, '\t');
		if (line)
			*line++ = 0;
		unescape(words[i]);
	}
}

static void act_as(uint32_t pid)
{
	sim_become(pid, pid + 1, pid / 4 % 2);
}

static const char *process(void)
{
	const struct sim_process_plan plan = {
		.pid = number(1),
		.parent = number(2),
		.sid = words[3],
		.integrity = number(4),
		.path = words[5],
		.command_line = words[6],
	};

	if (is(0, "exists")) {
		sim_process_exists(&plan);
		return "ok";
	}
	return sim_process_start(&plan) ? "ok" : "denied";
}

static const char *file(void)
{
	const struct sim_file_plan plan = {
		.operation = words[2],
		.path = words[3],
		.argument = words[4],
		.kernel_mode = is(0, "kfile"),
		.fails = is(0, "xfile"),
	};

	act_as(number(1));
	return sim_file(&plan) ? "ok" : "denied";
}

static uint32_t from_hex(const char *hex, uint8_t *bytes)
{
	uint32_t count = 0;
	char pair[3] = "";

	for (; hex[0] && hex[1] && count < DATA_MAX; hex += 2) {
		memcpy(pair, hex, 2);
		bytes[count++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return count;
}

static const char *key(void)
{
	static uint8_t data[DATA_MAX];
	struct sim_key_plan plan = {
		.operation = words[2],
		.key = words[3],
		.name = words[4],
		.type = number(5),
		.data = data,
		.fails = is(0, "xkey"),
	};

	act_as(number(1));
	plan.data_bytes = from_hex(words[6], data);
	sim_key(&plan);
	return "ok";
}

static const char *status_text(NTSTATUS status)
{
	static char text[16];

	if (status == STATUS_SUCCESS)
		return "ok";
	snprintf(text, sizeof(text), "0x%08x", (unsigned int)status);
	return text;
}

static const char *machine(void)
{
	static char text[32];

	if (is(0, "load"))
		return status_text(sim_load());
	if (is(0, "unload"))
		return status_text(sim_unload(is(1, "mandatory")));
	if (is(0, "device") && is(1, "place")) {
		sim_device_place(long_number(2));
		return "ok";
	}
	if (is(0, "device"))
		return status_text(sim_device(words[1]));
	if (is(0, "protection")) {
		snprintf(text, sizeof(text), "0x%x", sim_map_protect());
		return text;
	}
	snprintf(text, sizeof(text), "0x%x",
		 sim_thread_handle(number(1), is(2, "duplicate"), is(3, "kernel"), is(4, "other")));
	return text;
}

static const char *run(void)
{
	if (is(0, "start") || is(0, "exists"))
		return process();
	if (is(0, "exit"))
		return sim_process_exit(number(1), number(2)) ? "ok" : "gone";
	if (is(0, "alive"))
		return sim_process_alive(number(1)) ? "alive" : "dead";
	if (is(0, "file") || is(0, "kfile") || is(0, "xfile"))
		return file();
	if (is(0, "key") || is(0, "xkey"))
		return key();
	if (is(0, "volume"))
		sim_volume_attach(words[1], words[2], is(3, "network"));
	else if (is(0, "unmount"))
		sim_volume_detach(words[1]);
	else if (is(0, "image"))
		sim_image(number(1), words[2], long_number(3), long_number(4));
	else if (is(0, "thread"))
		sim_remote_thread(number(1), number(2), number(3), long_number(4));
	else if (is(0, "fail"))
		return sim_plan_failure(words[1], number(2), number(3)) ? "ok" : "unknown";
	else if (is(0, "load") || is(0, "unload") || is(0, "device") || is(0, "handle") ||
		 is(0, "protection"))
		return machine();
	else if (is(0, "fuzz"))
		sim_fuzz(number(1), number(2), number(3), number(4));
	else if (is(0, "canary-leak"))
		(void)!ExAllocatePoolWithTag(NonPagedPool, 16, 1);
	else if (is(0, "canary-irql")) {
		KSPIN_LOCK lock = 0;
		const KIRQL irql = KeAcquireSpinLockRaiseToDpc(&lock);

		ExFreePool(ExAllocatePoolWithTag(PagedPool, 16, 1));
		KeReleaseSpinLock(&lock, irql);
	} else if (is(0, "canary-user")) {
		volatile uint8_t *bytes = sim_user("x", 1);

		(void)*bytes;
	} else if (is(0, "canary-paged")) {
		volatile uint8_t *bytes = sim_paged("x", 1);
		KSPIN_LOCK lock = 0;
		const KIRQL irql = KeAcquireSpinLockRaiseToDpc(&lock);

		(void)*bytes;
		KeReleaseSpinLock(&lock, irql);
	} else {
		return "unknown";
	}
	return "ok";
}

void sim_script(void)
{
	static char line[4 * DATA_MAX];

	while (fgets(line, sizeof(line), stdin)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		split(line);
		act_as(4);
		printf("%s\n", run());
		fflush(stdout);
	}
}
