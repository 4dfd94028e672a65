/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Made-up processes: they start, execute, open, are refused by the pushed rules, are killed by
 * command, and end, each with the records that a driver would write. Called from the load, the
 * intrusion and the command thread.
 */
#include "guest.h"

#define DEVICE 2049u
#define MODE_EXECUTABLE 0100755u
#define MODE_PLAIN 0100644u

static bool sensor_on(struct guest *guest, uint64_t sensor)
{
	return (uc_counter_load(&guest->sensors) & sensor) != 0;
}

/* The same path has the same inode everywhere. */
static uint64_t inode_of(const char *path)
{
	uint64_t hash = 14695981039346656037ull;

	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * 1099511628211ull;
	return hash >> 24;
}

struct process *process_start(struct guest *guest, const struct process *parent, uint32_t cpu)
{
	static const struct process kernel = { 0 };
	struct process *process = NULL;
	struct uc_process_fork fork;
	uint32_t i;

	pthread_mutex_lock(&guest->process_lock);
	for (i = 0; i < GUEST_PROCESSES_MAX && !process; i++) {
		if (guest->processes[i].pid == 0)
			process = &guest->processes[i];
	}
	if (process) {
		memset(process, 0, sizeof(*process));
		process->pid = ++guest->next_pid;
		process->start_ns = guest_now_ns();
		process->cpu = cpu;
		if (!parent)
			parent = &kernel;
		process->parent_pid = parent->pid;
		process->parent_start_ns = parent->start_ns;
		process->uid = parent->uid;
		process->exec_generation = parent->exec_generation;
		memcpy(process->path, parent->path, sizeof(process->path));
	}
	pthread_mutex_unlock(&guest->process_lock);
	if (process && parent->pid && sensor_on(guest, UC_SENSOR_PROCESS)) {
		fork.child_start_ns = process->start_ns;
		fork.child_pid = process->pid;
		fork.child_exec_generation = process->exec_generation;
		emit(guest, UC_RECORD_PROCESS_FORK, parent, &fork, NULL, 0);
	}
	return process;
}

static struct uc_process_exec exec_body(const struct process *process, uint32_t argument_count,
					uint32_t argument_bytes)
{
	struct uc_process_exec exec;

	memset(&exec, 0, sizeof(exec));
	exec.inode = inode_of(process->path);
	exec.device = DEVICE;
	exec.parent_start_ns = process->parent_start_ns;
	exec.mode = MODE_EXECUTABLE;
	exec.argument_count = argument_count;
	exec.argument_bytes = argument_bytes;
	exec.effective_uid = process->uid;
	return exec;
}

static const char *name_in(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void report_exec(struct guest *guest, uint16_t type, struct process *process,
			const char *arguments, uint32_t argument_bytes)
{
	const char *name = name_in(process->path);
	const struct field fields[] = {
		{ UC_FIELD_PATH, process->path, (uint32_t)strlen(process->path) },
		{ UC_FIELD_REQUESTED_PATH, process->path, (uint32_t)strlen(process->path) },
		{ UC_FIELD_ARGUMENTS, arguments, argument_bytes },
		{ UC_FIELD_WORKING_DIRECTORY, "/", 1 },
		{ UC_FIELD_CGROUP, "/", 1 },
		{ UC_FIELD_COMMAND_NAME, name, (uint32_t)strlen(name) },
	};
	uint32_t count = 0;
	uint32_t i;
	struct uc_process_exec exec;

	for (i = 0; i < argument_bytes; i++)
		count += arguments[i] == 0;
	exec = exec_body(process, count, argument_bytes);
	process->exec_sequence =
		emit(guest, type, process, &exec, fields, sizeof(fields) / sizeof(fields[0]));
}

/* Asks the pushed rules as a driver does in a held operation; says so when one refuses. */
static bool allowed(struct guest *guest, const struct process *process, uint32_t operation,
		    const char *path)
{
	const struct uc_rules_query query = { operation, process->uid, guest_now_ns(), path,
					      (uint32_t)strlen(path), NULL };
	const struct field field = { UC_FIELD_PATH, path, query.path_bytes };
	struct uc_rules_answer answer = { 0, UC_VERDICT_ALLOW };
	struct uc_verdict verdict;
	bool decided;

	pthread_rwlock_rdlock(&guest->rules_lock);
	decided = uc_rules_match(guest->rules, &query, &answer);
	pthread_rwlock_unlock(&guest->rules_lock);
	if (!decided || answer.verdict == UC_VERDICT_ALLOW) {
		uc_atomic_fetch_add_u64(&guest->verdicts_allowed, 1);
		return true;
	}
	uc_atomic_fetch_add_u64(&guest->verdicts_denied, 1);
	memset(&verdict, 0, sizeof(verdict));
	verdict.rule_id = answer.rule_id;
	verdict.inode = inode_of(path);
	verdict.device = DEVICE;
	verdict.operation = operation;
	verdict.verdict = answer.verdict;
	emit(guest, UC_RECORD_VERDICT, process, &verdict, &field, 1);
	return false;
}

bool process_exec(struct guest *guest, struct process *process, const char *path,
		  const char *arguments, uint32_t argument_bytes)
{
	if (!allowed(guest, process, UC_OPERATION_EXEC, path))
		return false;
	pthread_mutex_lock(&guest->process_lock);
	process->exec_generation++;
	snprintf(process->path, sizeof(process->path), "%s", path);
	pthread_mutex_unlock(&guest->process_lock);
	if (sensor_on(guest, UC_SENSOR_PROCESS))
		report_exec(guest, UC_RECORD_PROCESS_EXEC, process, arguments, argument_bytes);
	return !process_was_killed(guest, process);
}

static void file_event(struct guest *guest, uint16_t type, const struct process *process,
		       const char *path, uint32_t flags)
{
	const struct field field = { UC_FIELD_PATH, path, (uint32_t)strlen(path) };
	const struct uc_file_event event = { inode_of(path), DEVICE, 4096, MODE_PLAIN, flags };

	if (sensor_on(guest, UC_SENSOR_FILE))
		emit(guest, type, process, &event, &field, 1);
}

bool process_open(struct guest *guest, const struct process *process, const char *path)
{
	if (!allowed(guest, process, UC_OPERATION_OPEN, path))
		return false;
	file_event(guest, UC_RECORD_FILE_OPEN, process, path, 0);
	return true;
}

void process_close(struct guest *guest, const struct process *process, const char *path,
		   bool written)
{
	file_event(guest, UC_RECORD_FILE_CLOSE, process, path, written ? UC_FILE_WRITTEN : 0);
}

static uint8_t hex_digit(char digit)
{
	return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

void process_hash(struct guest *guest, const struct process *process, const char *sha256_hex)
{
	const struct field field = { UC_FIELD_PATH, process->path,
				     (uint32_t)strlen(process->path) };
	struct uc_process_hash hash;
	uint32_t i;

	if (!sensor_on(guest, UC_SENSOR_HASH))
		return;
	memset(&hash, 0, sizeof(hash));
	hash.exec_sequence = process->exec_sequence;
	hash.inode = inode_of(process->path);
	hash.device = DEVICE;
	hash.size_bytes = 4096;
	hash.result = UC_HASH_OK;
	for (i = 0; i < sizeof(hash.sha256); i++)
		hash.sha256[i] = (uint8_t)(hex_digit(sha256_hex[2 * i]) << 4 |
					   hex_digit(sha256_hex[2 * i + 1]));
	uc_atomic_fetch_add_u64(&guest->hashes_done, 1);
	emit(guest, UC_RECORD_PROCESS_HASH, process, &hash, &field, 1);
}

static void end_process(struct guest *guest, struct process *process, uint32_t code,
			uint32_t signal)
{
	const struct uc_process_exit exit = { code, signal };

	if (sensor_on(guest, UC_SENSOR_PROCESS))
		emit(guest, UC_RECORD_PROCESS_EXIT, process, &exit, NULL, 0);
}

/* Exactly one of the process itself and a KILL command ends it. */
void process_exit(struct guest *guest, struct process *process, uint32_t code)
{
	if (!process_was_killed(guest, process))
		end_process(guest, process, code, 0);
	pthread_mutex_lock(&guest->process_lock);
	process->pid = 0;
	pthread_mutex_unlock(&guest->process_lock);
}

bool process_was_killed(struct guest *guest, const struct process *process)
{
	bool killed;

	pthread_mutex_lock(&guest->process_lock);
	killed = process->killed;
	pthread_mutex_unlock(&guest->process_lock);
	return killed;
}

uint32_t process_kill(struct guest *guest, const struct uc_command_kill_process *kill)
{
	struct process victim;
	bool found = false;
	uint32_t i;

	pthread_mutex_lock(&guest->process_lock);
	for (i = 0; i < GUEST_PROCESSES_MAX && !found; i++) {
		struct process *process = &guest->processes[i];

		if (process->pid != kill->pid || kill->pid == 0 || process->killed ||
		    process->start_ns != kill->process_start_ns ||
		    (kill->exec_generation != UC_EXEC_GENERATION_ANY &&
		     process->exec_generation != kill->exec_generation))
			continue;
		process->killed = true;
		victim = *process;
		found = true;
	}
	pthread_mutex_unlock(&guest->process_lock);
	if (!found)
		return UC_RESULT_NOT_FOUND;
	uc_atomic_fetch_add_u64(&guest->kills, 1);
	end_process(guest, &victim, 0, SIGKILL);
	return UC_RESULT_DONE;
}

void process_report_existing(struct guest *guest)
{
	struct process copy;
	uint32_t i;

	if (!sensor_on(guest, UC_SENSOR_PROCESS))
		return;
	for (i = 0; i < GUEST_PROCESSES_MAX; i++) {
		pthread_mutex_lock(&guest->process_lock);
		copy = guest->processes[i];
		pthread_mutex_unlock(&guest->process_lock);
		if (copy.pid != 0 && !copy.killed && copy.path[0])
			report_exec(guest, UC_RECORD_PROCESS_EXISTING, &copy, copy.path,
				    (uint32_t)strlen(copy.path) + 1);
	}
}
