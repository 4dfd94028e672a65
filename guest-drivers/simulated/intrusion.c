/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The scripted intrusion of the demo with made-up processes: what would be an intruder's steps,
 * and what became of each. Lines on standard input let it begin and end; each step tells its
 * result as "point NAME ok" or "point NAME failed", for who started us to show.
 */
#include "guest.h"

#define KILL_WAIT_MS 60000u

static bool wait_for_kill(struct guest *guest, const struct process *process)
{
	uint32_t waited_ms;

	for (waited_ms = 0; waited_ms < KILL_WAIT_MS; waited_ms += 5) {
		if (process_was_killed(guest, process))
			return true;
		if (uc_counter_load(&guest->stopping))
			return false;
		guest_sleep_ms(5);
	}
	return false;
}

static struct process *begin_process(struct guest *guest, const char *path, const char *arguments,
				     uint32_t argument_bytes)
{
	struct process *process = process_start(guest, &guest->processes[0], 0);

	if (process)
		process_exec(guest, process, path, arguments, argument_bytes);
	return process;
}

static bool drop_and_run(struct guest *guest)
{
	static const char script[] = "sh\0/opt/demo/install.sh";
	static const char payload[] = "updater\0--quiet";
	const struct story *story = &guest->options.story;
	struct process *process = begin_process(guest, "/bin/sh", script, sizeof(script));
	bool killed;

	if (!process)
		return false;
	process_open(guest, process, story->payload_path);
	process_close(guest, process, story->payload_path, true);
	process_exec(guest, process, story->payload_path, payload, sizeof(payload));
	process_hash(guest, process, story->payload_sha256);
	killed = wait_for_kill(guest, process);
	process_exit(guest, process, 0);
	return killed;
}

static bool read_secret(struct guest *guest)
{
	char arguments[512];
	const char *path = guest->options.story.secret_path;
	const int bytes = snprintf(arguments, sizeof(arguments), "cat%c%s", 0, path) + 1;
	struct process *process = begin_process(guest, "/bin/cat", arguments, (uint32_t)bytes);
	bool opened;

	if (!process)
		return true;
	opened = process_open(guest, process, path);
	process_exit(guest, process, opened ? 0 : 1);
	return opened;
}

static bool run_miner(struct guest *guest)
{
	struct process *process = process_start(guest, &guest->processes[0], 0);
	bool ran;

	if (!process)
		return true;
	ran = process_exec(guest, process, guest->options.story.miner_path, "miner", 6);
	process_exit(guest, process, ran ? 0 : 126);
	return ran;
}

static bool download(struct guest *guest)
{
	char arguments[512];
	const int bytes = snprintf(arguments, sizeof(arguments), "sh%c/opt/demo/download.sh%c%spayload",
				   0, 0, guest->options.story.stage_url) +
			  1;
	struct process *process = begin_process(guest, "/bin/sh", arguments, (uint32_t)bytes);
	bool killed;

	if (!process)
		return false;
	killed = wait_for_kill(guest, process);
	process_exit(guest, process, 0);
	return killed;
}

static bool work_on(struct guest *guest)
{
	struct process *process = begin_process(guest, "/bin/cat", "cat", 4);
	bool opened;

	if (!process)
		return false;
	opened = process_open(guest, process, guest->options.story.open_path);
	process_exit(guest, process, 0);
	return opened;
}

void intrusion_run(struct guest *guest)
{
	tell("driver", await_ready(guest));
	if (await_line(guest, "begin")) {
		tell("killedByHash", drop_and_run(guest));
		tell("openRefused", !read_secret(guest));
		tell("execRefused", !run_miner(guest));
		tell("killedByCommandLine", download(guest));
		tell("undisturbed", work_on(guest));
		await_line(guest, "unload");
	}
	uc_counter_store(&guest->stopping, 1);
}
