/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the files of the Linux guest driver say to each other. One section a file; nothing here is
 * seen outside the module.
 */
#ifndef UC_UNDERCROFT_H
#define UC_UNDERCROFT_H

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/types.h>
#include "uc_port.h"
#include "../core/uc_encode.h"

struct linux_binprm;
struct pci_dev;
struct uc_mark;

#define UC_DRIVER_VERSION "0.1.0"

/* ---- main.c ----------------------------------------------------------------------------- */

/* Sensors that the server asked for and that are on; tested first by every hook. */
extern u64 uc_sensors_on;
/* Sensors and actions that registered, as told in the hello. */
extern u64 uc_capabilities;

static inline bool uc_sensor_is_on(u64 sensor)
{
	return READ_ONCE(uc_sensors_on) & sensor;
}

/* Turns sensors on and off; sleeps. */
int uc_sensors_start(u64 sensors);
void uc_sensors_stop(void);


/* ---- path.c: paths as texts, and one set of buffers a CPU so that no event allocates ------ */

struct uc_scratch {
	char path[PATH_MAX];
	char second[PATH_MAX];
	char third[PATH_MAX];
	/* The path of the cgroup last asked for on this CPU; ids are never reused. */
	char cgroup[PATH_MAX];
	u64 cgroup_id;
	u32 cgroup_length;
	bool cgroup_truncated;
};

extern struct uc_scratch __percpu *uc_scratch;

int uc_scratch_init(void);
void uc_scratch_exit(void);

/* Sensors run in process context only (uc_emit_may_run), so that the buffers are ours alone while
 * preemption is off. Nothing between get and put may sleep. */
static inline struct uc_scratch *uc_scratch_get(void)
{
	return get_cpu_ptr(uc_scratch);
}

static inline void uc_scratch_put(void)
{
	put_cpu_ptr(uc_scratch);
}

/* A text on its way into a field. */
struct uc_text {
	const char *bytes;
	u32 length;
	bool truncated;
};

/* What a directory entry is shown below: a mount of the acting process, else the mark's place. */
struct uc_place {
	struct vfsmount *mount;
	struct uc_mark *mark;
};

void uc_place_find(struct uc_place *place, struct dentry *dentry, struct uc_mark *mark);
void uc_place_release(struct uc_place *place);
struct uc_text uc_text_path(const struct path *path, char *buffer);
struct uc_text uc_text_path_quick(const struct path *path, const struct uc_mark *mark,
				  char *buffer);
struct uc_text uc_text_cgroup(struct uc_scratch *scratch, struct task_struct *task);
struct uc_text uc_text_dentry(const struct uc_place *place, struct dentry *dentry,
			      const struct qstr *name, char *buffer);

/* The number user space knows a file system by (st_dev). */
static inline u64 uc_device_number(const struct super_block *sb)
{
	return huge_encode_dev(sb->s_dev);
}

/* ---- emit.c: from a sensor into the right ring -------------------------------------------- */

struct uc_lane;

struct uc_emit {
	struct uc_record record;
	struct uc_lane *lane;
	unsigned long irq_flags;
};

/* Which ring: the CPU's own, or the one for what must survive a flood of file events. */
enum uc_urgency {
	UC_ROUTINE,
	UC_PRIORITY,
};

void uc_emit_count_reentry(u16 type);

/* False where buffers are not ours (interrupts); the event counts as lost by re-entry. */
static inline bool uc_emit_may_run(u16 type)
{
	if (likely(in_task()))
		return true;
	uc_emit_count_reentry(type);
	return false;
}

/* Interrupts stay off from a begin that returned true until end. False: lost and counted. */
bool uc_emit_begin(struct uc_emit *emit, enum uc_urgency urgency, u16 type,
		   const struct uc_event_header *header, const void *body, u32 field_bytes);
void uc_emit_text(struct uc_emit *emit, u16 field, const struct uc_text *text);
void uc_emit_end(struct uc_emit *emit);

/* A whole record of the current task without fields. False: lost and counted. */
bool uc_emit_plain(enum uc_urgency urgency, u16 type, const void *body);

static inline u32 uc_text_bytes(const struct uc_text *text)
{
	return uc_field_bytes(text->length);
}

/* ---- identity.c ------------------------------------------------------------------------- */

void uc_identity_init(void);
void uc_identity_fill(struct uc_event_header *header, struct task_struct *task);

/* The kernel's own count of execs: it grows by one an exec and is inherited by fork, so pid, start
 * and this name one program of one process, also for processes older than the driver. */
static inline u32 uc_exec_generation(const struct task_struct *task)
{
	return (u32)READ_ONCE(task->self_exec_id);
}

/* ---- emit.c, the side of link.c ----------------------------------------------------------- */

struct uc_link;

/* One for all rings; the hello and the status page repeat it. */
extern struct uc_sequence uc_sequence;

/* Opens the gate for a session, closes it again and waits for who is inside. Both sleep. */
int uc_emit_open(const struct uc_link *link);
void uc_emit_close(void);
/* What is dropped from now on was dropped because the driver leaves. */
void uc_emit_set_leaving(void);
/* An attach begins: sequence and losses count from zero. No sensor may be on. */
void uc_emit_reset(void);
void uc_emit_free(void);
/* Flushes what waits in rings and refreshes their claims. Sleeps. */
void uc_emit_tick(void);
void uc_emit_add_losses(struct uc_status *status);

/* ---- doorbell.c -------------------------------------------------------------------------- */

/* Takes the device's doorbell into use if it has one that is ours. */
void uc_doorbell_open(struct pci_dev *device);
/* Nobody may ring or wait any more. */
void uc_doorbell_close(void);
bool uc_doorbell_is_there(void);
/* Rings the server. Any context; only where there is a doorbell. */
void uc_doorbell_ring(void);
/* Sleeps until the server rings, the time is over or the thread must stop. True: it rang. */
bool uc_doorbell_wait(u32 microseconds);
/* A command was found because the server rang. */
void uc_doorbell_count_command(void);
u64 uc_doorbell_interrupts(void);
u64 uc_doorbell_commands(void);

/* ---- link.c ----------------------------------------------------------------------------- */

int uc_link_run(void *region, u64 region_bytes, u32 map_kind);
/* Says goodbye, waits a little for the answer, ends the thread. Harmless when not running. */
void uc_link_stop(u32 reason);
u32 uc_link_state(void);

/* ---- commands.c: all in the link's thread ------------------------------------------------- */

struct uc_command_item;

void uc_commands_execute(struct uc_command_item *item);
/* What a command started and what may take longer than its acknowledgement. */
void uc_commands_follow_up(void);
/* Of an attach that begins. */
void uc_commands_reset(void);
/* True once the server acknowledged that we leave. */
bool uc_commands_acknowledged(void);

/* ---- stats.c ---------------------------------------------------------------------------- */

struct uc_stats {
	u64 verdicts_allowed;
	u64 verdicts_denied;
	u64 hashes_done;
	u64 hashes_skipped;
	u64 doorbell_rings;
};

extern struct uc_stats __percpu *uc_stats;

#define uc_count(counter) this_cpu_inc(uc_stats->counter)

int uc_stats_init(void);
void uc_stats_exit(void);
void uc_stats_reset(void);
void uc_stats_fill(struct uc_status *status);

/* ---- process_events.c, process_snapshot.c ------------------------------------------------- */

int uc_process_register(void);
void uc_process_unregister(void);
/* Reports what runs already. Sleeps; ends early when the thread must. */
void uc_process_snapshot(void);
void uc_exec_parent(struct uc_process_exec *exec, struct task_struct *task);

/* ---- file_events.c, module_events.c, image_events.c --------------------------------------- */

int uc_file_start(void);
void uc_file_stop(void);
int uc_file_close_start(void);
void uc_file_close_stop(void);
int uc_module_register(void);
void uc_module_unregister(void);
int uc_image_register(void);
void uc_image_unregister(void);

/* ---- socket_events.c -------------------------------------------------------------------- */

int uc_socket_register(void);
void uc_socket_unregister(void);
int uc_socket_start(void);
void uc_socket_stop(void);
/* Names what the probes could not follow as lost. In the link's thread. */
void uc_socket_count_missed(void);

/* ---- verdict.c, verdict_test.c ------------------------------------------------------------ */

/* Tries whether permission callbacks run and are obeyed; UC_ACTION_DENY_* bits that work. */
u64 uc_verdict_test(void);
/* What permission groups must have before their first mark. */
unsigned int uc_verdict_priority(void);

u32 uc_verdict_rules_begin(const u8 *body, u32 bytes);
u32 uc_verdict_rules_add(const u8 *body, u32 bytes);
u32 uc_verdict_rules_commit(const u8 *body, u32 bytes);
u64 uc_verdict_generation(void);
/* Second line: kills a program that no open could refuse. In the exec tracepoint. */
void uc_verdict_after_exec(struct file *file);
void uc_verdict_exit(void);

/* ---- hash.c ----------------------------------------------------------------------------- */

int uc_hash_init(void);
void uc_hash_exit(void);
/* Reports the digest of an executed file, now when known, else from a work queue. */
void uc_hash_executed(struct file *file, const struct uc_event_header *header, u64 exec_sequence);
/* True and the digest when this very content has been hashed. Any context that may not sleep. */
bool uc_hash_known(struct inode *inode, u8 digest[32]);

/* ---- marks.c ---------------------------------------------------------------------------- */

/* No watch may be left. */
void uc_marks_exit(void);

#endif /* UC_UNDERCROFT_H */
