/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A guest without a machine: the portable core as a Linux process over a region file. It behaves
 * to the server as a guest driver does; its processes and files are made up. One struct holds all
 * of its state. Must not shortcut what a driver does: same rings, same link, same rules.
 */
#ifndef UC_SIMULATED_GUEST_H
#define UC_SIMULATED_GUEST_H

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "../core/uc_command.h"
#include "../core/uc_encode.h"
#include "../core/uc_limit.h"
#include "../core/uc_link.h"
#include "../core/uc_rules.h"

#define GUEST_CPUS_MAX 62
#define GUEST_PROCESSES_MAX 512
#define GUEST_CAPABILITIES                                                                         \
	(UC_SENSOR_PROCESS | UC_SENSOR_FILE | UC_SENSOR_SOCKET | UC_SENSOR_MODULE | \
	 UC_SENSOR_HASH | UC_ACTION_KILL | UC_ACTION_DENY_OPEN | UC_ACTION_DENY_EXEC)

/* What the intrusion does; given by who starts us, so that the story is told in one place. */
struct story {
	const char *payload_sha256;
	const char *payload_path;
	const char *secret_path;
	const char *open_path;
	const char *miner_path;
	const char *stage_url;
};

struct options {
	const char *region_path;
	const char *truth_path;
	const char *scenario;
	struct story story;
	uint64_t rate_bytes_per_minute;
	uint64_t events;
	uint64_t seed;
	uint32_t size_bytes;
	uint32_t cpus;
	uint32_t duration_s;
	uint32_t poll_ms;
};

/* A made-up process. An entry with pid 0 is free. */
struct process {
	uint64_t start_ns;
	uint64_t parent_start_ns;
	uint64_t exec_sequence;
	uint32_t pid;
	uint32_t parent_pid;
	uint32_t uid;
	uint32_t exec_generation;
	uint32_t cpu;
	/* Set by a KILL command, whose sender also writes the EXIT record. */
	bool killed;
	char path[256];
};

/* One ring with the lock that makes its many users one producer. */
struct lane {
	pthread_mutex_t lock;
	struct uc_ring ring;
	bool placed;
	uint64_t staging[UC_RECORD_BYTES_MAX / 8];
};

struct field {
	uint16_t type;
	const void *bytes;
	uint32_t count;
};

struct guest {
	struct options options;
	uint8_t *region;
	uint64_t region_bytes;
	FILE *truth;

	struct uc_link link;
	struct uc_command_reader reader;
	bool reader_ready;
	uint64_t command_buffer[UC_RECORD_BYTES_MAX / 8];
	struct uc_rules_builder builder;
	/* Guards rules: look-ups share it, a commit takes it alone. */
	pthread_rwlock_t rules_lock;
	struct uc_rules *rules;

	struct uc_sequence sequence;
	/* The data lanes in CPU order, then the priority lane. */
	struct lane lanes[GUEST_CPUS_MAX + 1];
	uint32_t data_lanes;

	pthread_mutex_t process_lock;
	struct process processes[GUEST_PROCESSES_MAX];
	uint32_t next_pid;
	/* How many made-up sockets there have been; only the scenario's thread opens any. */
	uint64_t sockets;

	/* Relaxed counters. */
	uint64_t sensors;
	uint64_t heartbeat;
	uint64_t verdicts_allowed;
	uint64_t verdicts_denied;
	uint64_t hashes_done;
	uint64_t kills;
	uint64_t load_records;
	uint64_t acknowledged;
	uint64_t ready;
	uint64_t stopping;
	uint64_t quiesce_wanted;
};

uint64_t guest_now_ns(void);
uint64_t guest_random(uint64_t *state);
void guest_sleep_ms(uint32_t ms);

/* emit.c: into the right ring. Any thread. */
void lanes_init(struct guest *guest);
void lanes_stop(struct guest *guest);
int lanes_start(struct guest *guest, const struct uc_link *link);
void lanes_tick(struct guest *guest);
void lanes_add_losses(const struct guest *guest, struct uc_status *status);
/* Returns the record's global sequence, written or lost. */
uint64_t emit(struct guest *guest, uint16_t type, const struct process *process, const void *body,
	      const struct field *fields, uint32_t field_count);

/* link.c: registration, commands, heartbeat; runs until the guest has left. */
void link_run(struct guest *guest);

/* process.c: the made-up processes and what they do. Any thread. */
struct process *process_start(struct guest *guest, const struct process *parent, uint32_t cpu);
/* False: the rules refused, or the process was killed meanwhile. */
bool process_exec(struct guest *guest, struct process *process, const char *path,
		  const char *arguments, uint32_t argument_bytes);
bool process_open(struct guest *guest, const struct process *process, const char *path);
void process_close(struct guest *guest, const struct process *process, const char *path,
		   bool written);
void process_hash(struct guest *guest, const struct process *process, const char *sha256_hex);
void process_exit(struct guest *guest, struct process *process, uint32_t code);
/* A KILL command: UC_RESULT_*. */
uint32_t process_kill(struct guest *guest, const struct uc_command_kill_process *kill);
void process_report_existing(struct guest *guest);
bool process_was_killed(struct guest *guest, const struct process *process);

/* steps.c: what the lines on standard input ask for. One thread. */
void tell(const char *name, bool ok);
/* False: there is no session, and there will be none. */
bool await_ready(struct guest *guest);
/* Runs network steps until the wanted line; false at the end of input, or when told to stop. */
bool await_line(struct guest *guest, const char *wanted);
void steps_run(struct guest *guest);

/* load.c and intrusion.c: what happens in the guest. */
void *load_run(void *worker);
struct load_worker {
	struct guest *guest;
	uint32_t cpu;
	uint64_t events;
	uint64_t rate_bytes_per_minute;
};
void intrusion_run(struct guest *guest);

#endif /* UC_SIMULATED_GUEST_H */
