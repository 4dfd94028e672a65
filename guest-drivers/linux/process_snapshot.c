// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What ran before monitoring began, reported once so that no later event has an unknown parent.
 * Runs in the link's thread and may sleep. Hooks are on already: a process may be reported twice.
 */
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include "compat.h"
#include "marks.h"
#include "undercroft.h"

#define ARGUMENT_BYTES_MAX 4096
/* Beyond the count taken first, for processes that start while we count. */
#define SPARE_TASKS 64

static size_t list_processes(struct task_struct **tasks, size_t room)
{
	struct task_struct *task;
	size_t count = 0;

	rcu_read_lock();
	for_each_process(task) {
		if (task->flags & PF_KTHREAD || task->exit_state)
			continue;
		if (tasks) {
			if (count == room)
				break;
			tasks[count] = get_task_struct(task);
		}
		count++;
	}
	rcu_read_unlock();
	return count;
}

static void fill_body(struct uc_process_exec *body, struct task_struct *task, struct file *file)
{
	const struct inode *inode = file ? file_inode(file) : NULL;

	memset(body, 0, sizeof(*body));
	if (inode) {
		body->inode = inode->i_ino;
		body->device = uc_device_number(inode->i_sb);
		body->mode = inode->i_mode;
		body->flags = uc_marks_cover(inode->i_sb) ? 0 : UC_EXEC_UNCOVERED;
	}
	rcu_read_lock();
	body->effective_uid = __kuid_val(__task_cred(task)->euid);
	rcu_read_unlock();
	uc_exec_parent(body, task);
}

static u32 count_arguments(const char *bytes, u32 length)
{
	u32 count = 0, i;

	for (i = 0; i < length; i++)
		count += !bytes[i];
	return count;
}

static void report(struct task_struct *task, struct file *file, const struct uc_text *arguments,
		   u32 argument_bytes)
{
	struct uc_scratch *scratch = uc_scratch_get();
	struct uc_text path = {}, cgroup, name = { .bytes = task->comm };
	struct uc_event_header header;
	struct uc_process_exec body;
	struct uc_emit emit;

	if (file)
		path = uc_text_path(&file->f_path, scratch->path);
	cgroup = uc_text_cgroup(scratch, task);
	name.length = strnlen(task->comm, sizeof(task->comm));
	uc_identity_fill(&header, task);
	fill_body(&body, task, file);
	body.argument_bytes = argument_bytes;
	body.argument_count = count_arguments(arguments->bytes, arguments->length);
	if (uc_emit_begin(&emit, UC_ROUTINE, UC_RECORD_PROCESS_EXISTING, &header, &body,
			  uc_text_bytes(&path) + uc_text_bytes(&cgroup) + uc_text_bytes(&name) +
			  uc_text_bytes(arguments))) {
		uc_emit_text(&emit, UC_FIELD_PATH, &path);
		uc_emit_text(&emit, UC_FIELD_CGROUP, &cgroup);
		uc_emit_text(&emit, UC_FIELD_COMMAND_NAME, &name);
		uc_emit_text(&emit, UC_FIELD_ARGUMENTS, arguments);
		uc_emit_end(&emit);
	}
	uc_scratch_put();
}

static void report_process(struct task_struct *task, char *buffer)
{
	struct mm_struct *mm = get_task_mm(task);
	struct uc_text arguments = { .bytes = buffer };
	unsigned long start, total;
	struct file *file;
	int got;

	if (!mm)
		return;
	start = READ_ONCE(mm->arg_start);
	total = READ_ONCE(mm->arg_end) - start;
	got = access_process_vm(task, start, buffer, min(total, ARGUMENT_BYTES_MAX + 0ul),
				FOLL_FORCE);
	arguments.length = max(got, 0);
	arguments.truncated = arguments.length < total;
	file = uc_compat_exe_file(mm);
	report(task, file, &arguments, min(total, U32_MAX + 0ul));
	if (file)
		fput(file);
	mmput(mm);
}

void uc_process_snapshot(void)
{
	size_t room = list_processes(NULL, 0) + SPARE_TASKS, count, i;
	struct task_struct **tasks = kvmalloc_array(room, sizeof(*tasks), GFP_KERNEL);
	char *buffer = kmalloc(ARGUMENT_BYTES_MAX, GFP_KERNEL);

	if (!tasks || !buffer)
		goto out;
	count = list_processes(tasks, room);
	for (i = 0; i < count; i++) {
		if (!kthread_should_stop())
			report_process(tasks[i], buffer);
		put_task_struct(tasks[i]);
		cond_resched();
	}
out:
	kfree(buffer);
	kvfree(tasks);
}
