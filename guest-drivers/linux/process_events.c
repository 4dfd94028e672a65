// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Fork, exec and exit, from the scheduler's tracepoints. The handlers run in the acting process
 * with preemption off or on, depending on the kernel; they neither sleep nor allocate.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/binfmts.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/tracepoint.h>
#include "compat.h"
#include "marks.h"
#include "undercroft.h"

/* Of the argument area; the whole length is told beside it. */
#define ARGUMENT_BYTES_MAX 32768

#define EXITED_SLOTS 1024

/*
 * The last processes seen ending, by pid. On kernels whose tracepoint does not say which thread
 * was the last, two threads that end together can both look like it.
 */
static u64 exited[EXITED_SLOTS];

static void on_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	struct uc_event_header header;
	struct uc_process_fork body;
	struct uc_emit emit;

	if (!uc_sensor_is_on(UC_SENSOR_PROCESS))
		return;
	if (child->pid != child->tgid || child->flags & PF_KTHREAD)
		return;
	body.child_start_ns = child->start_boottime;
	body.child_pid = child->tgid;
	body.child_exec_generation = uc_exec_generation(child);
	uc_identity_fill(&header, parent);
	if (uc_emit_begin(&emit, UC_ROUTINE, UC_RECORD_PROCESS_FORK, &header, &body, 0))
		uc_emit_end(&emit);
}

void uc_exec_parent(struct uc_process_exec *exec, struct task_struct *task)
{
	struct task_struct *parent;

	rcu_read_lock();
	parent = rcu_dereference(task->group_leader->real_parent)->group_leader;
	exec->parent_start_ns = parent->start_boottime;
	exec->parent_exec_generation = uc_exec_generation(parent);
	rcu_read_unlock();
}

/* The lock keeps the directory in place; taking a reference could make ours the last to drop. */
static struct uc_text working_directory(char *buffer)
{
	struct fs_struct *fs = current->fs;
	struct uc_text text;

	spin_lock(&fs->lock);
	text = uc_text_path(&fs->pwd, buffer);
	spin_unlock(&fs->lock);
	return text;
}

/* Straight into the ring. The kernel wrote these pages a moment ago, so a fault is rare; what it
 * costs us is told as a cut. */
static void add_arguments(struct uc_record *record, unsigned long start, u32 wanted, u32 total)
{
	unsigned long missing;
	u32 room;
	void *to = uc_record_field_reserve(record, UC_FIELD_ARGUMENTS, wanted, &room);

	if (!to)
		return;
	pagefault_disable();
	missing = __copy_from_user_inatomic(to, (const void __user *)start, room);
	pagefault_enable();
	uc_record_field_commit(record, room - missing, room - missing < total);
}

static void fill_exec(struct uc_process_exec *body, struct linux_binprm *bprm)
{
	const struct inode *inode = file_inode(bprm->file);
	const struct mm_struct *mm = current->mm;

	body->inode = inode->i_ino;
	body->device = uc_device_number(inode->i_sb);
	body->mode = inode->i_mode;
	body->argument_count = bprm->argc;
	body->argument_bytes = mm->arg_end - mm->arg_start;
	body->effective_uid = __kuid_val(current_euid());
	body->flags = uc_marks_cover(inode->i_sb) ? 0 : UC_EXEC_UNCOVERED;
	uc_exec_parent(body, current);
}

/* Returns the record's global sequence, 0 when it was lost. */
static u64 report_exec(struct linux_binprm *bprm, const struct uc_event_header *header)
{
	struct uc_scratch *scratch = uc_scratch_get();
	struct uc_text path = uc_text_path(&bprm->file->f_path, scratch->path);
	struct uc_text directory = working_directory(scratch->second);
	struct uc_text cgroup = uc_text_cgroup(scratch, current);
	struct uc_text requested = { .bytes = bprm->filename, .length = strlen(bprm->filename) };
	struct uc_text name = { .bytes = current->comm };
	struct uc_process_exec body;
	struct uc_emit emit;
	u64 sequence = 0;
	u32 arguments;

	name.length = strnlen(current->comm, sizeof(current->comm));
	fill_exec(&body, bprm);
	arguments = min_t(u32, body.argument_bytes, ARGUMENT_BYTES_MAX);
	if (uc_emit_begin(&emit, UC_PRIORITY, UC_RECORD_PROCESS_EXEC, header, &body,
			  uc_text_bytes(&path) + uc_text_bytes(&requested) +
			  uc_text_bytes(&directory) + uc_text_bytes(&cgroup) +
			  uc_text_bytes(&name) + uc_field_bytes(arguments))) {
		uc_emit_text(&emit, UC_FIELD_PATH, &path);
		uc_emit_text(&emit, UC_FIELD_REQUESTED_PATH, &requested);
		uc_emit_text(&emit, UC_FIELD_WORKING_DIRECTORY, &directory);
		uc_emit_text(&emit, UC_FIELD_CGROUP, &cgroup);
		uc_emit_text(&emit, UC_FIELD_COMMAND_NAME, &name);
		/* Last, so that a small ring cuts arguments and not what is shorter. */
		add_arguments(&emit.record, current->mm->arg_start, arguments, body.argument_bytes);
		sequence = emit.record.sequence;
		uc_emit_end(&emit);
	}
	uc_scratch_put();
	return sequence;
}

static void on_exec(void *data, struct task_struct *task, pid_t old_pid,
		    struct linux_binprm *bprm)
{
	struct uc_event_header header;
	u64 sequence = 0;

	if (!bprm->file || task->flags & PF_KTHREAD)
		return;
	uc_identity_fill(&header, task);
	if (uc_sensor_is_on(UC_SENSOR_PROCESS))
		sequence = report_exec(bprm, &header);
	uc_verdict_after_exec(bprm->file);
	if (uc_sensor_is_on(UC_SENSOR_HASH))
		uc_hash_executed(bprm->file, &header, sequence);
}

/* True for the first thread of a process that gets here after all others have ended. */
static bool is_first_to_end(const struct task_struct *task)
{
	u64 identity = task->group_leader->start_boottime ^ (u64)task->tgid << 40;

	return xchg(&exited[task->tgid % EXITED_SLOTS], identity) != identity;
}

static void on_exit(UC_EXIT_PROTO)
{
	struct uc_process_exit body;
	u32 code;

	if (!uc_sensor_is_on(UC_SENSOR_PROCESS) || task->flags & PF_KTHREAD)
		return;
	if (!UC_EXIT_GROUP_DEAD(task) || !is_first_to_end(task))
		return;
	code = task->signal->flags & SIGNAL_GROUP_EXIT ? task->signal->group_exit_code :
							 task->exit_code;
	body.exit_code = code >> 8 & 0xff;
	body.signal = code & 0x7f;
	uc_emit_plain(UC_PRIORITY, UC_RECORD_PROCESS_EXIT, &body);
}

static struct {
	const char *name;
	void *handler;
	struct tracepoint *point;
	bool registered;
} hooks[] = {
	{ .name = "sched_process_fork", .handler = on_fork },
	{ .name = "sched_process_exec", .handler = on_exec },
	{ .name = "sched_process_exit", .handler = on_exit },
};

/* The kernel exports the walk but not these tracepoints. */
static void match_hook(struct tracepoint *point, void *unused)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (!strcmp(hooks[i].name, point->name))
			hooks[i].point = point;
	}
}

int uc_process_register(void)
{
	int error = -ENOENT;
	size_t i;

	for_each_kernel_tracepoint(match_hook, NULL);
	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (hooks[i].point)
			error = tracepoint_probe_register(hooks[i].point, hooks[i].handler, NULL);
		else
			error = -ENOENT;
		if (error) {
			pr_err("no tracepoint %s: %d\n", hooks[i].name, error);
			uc_process_unregister();
			return error;
		}
		hooks[i].registered = true;
	}
	return 0;
}

void uc_process_unregister(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (hooks[i].registered)
			tracepoint_probe_unregister(hooks[i].point, hooks[i].handler, NULL);
		hooks[i].registered = false;
	}
	tracepoint_synchronize_unregister();
}
