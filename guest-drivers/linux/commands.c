// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Carries out what the server commands. Runs in the link's thread, one command at a time; the
 * core has checked form, deadline and repetition. TRUST: the server is obeyed, but not believed
 * about which process a number names.
 */
#include <linux/pid.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include "../core/uc_command.h"
#include "undercroft.h"

static bool snapshot_due;
static bool acknowledged;

static bool is_meant(struct task_struct *task, const struct uc_command_kill_process *kill)
{
	return task->start_boottime == kill->process_start_ns &&
	       (kill->exec_generation == UC_EXEC_GENERATION_ANY ||
		kill->exec_generation == uc_exec_generation(task));
}

static u32 kill_task(struct task_struct *task, struct pid *pid,
		     const struct uc_command_kill_process *kill, u32 *detail)
{
	u32 result = UC_RESULT_NOT_FOUND;
	int error;

	/* Held by exec while it puts another program in place: what we compare stays true. */
	if (down_read_killable(&task->signal->exec_update_lock)) {
		*detail = EINTR;
		return UC_RESULT_FAILED;
	}
	if (is_meant(task, kill) && !READ_ONCE(task->exit_state)) {
		error = kill_pid(pid, SIGKILL, 1);
		*detail = -error;
		result = error ? UC_RESULT_FAILED : UC_RESULT_DONE;
	}
	up_read(&task->signal->exec_update_lock);
	return result;
}

static u32 kill_process(const struct uc_command_item *item, u32 *detail)
{
	struct uc_command_kill_process kill;
	struct task_struct *task;
	struct pid *pid;
	u32 result;

	uc_command_kill(item, &kill);
	/* Without its first process a guest panics; kernel threads take no signals. */
	if (kill.pid <= 1 || kill.pid > INT_MAX)
		return UC_RESULT_REFUSED;
	pid = find_get_pid(kill.pid);
	task = get_pid_task(pid, PIDTYPE_TGID);
	if (!task) {
		put_pid(pid);
		*detail = ESRCH;
		return UC_RESULT_NOT_FOUND;
	}
	result = task->flags & PF_KTHREAD ? UC_RESULT_REFUSED :
					    kill_task(task, pid, &kill, detail);
	put_task_struct(task);
	put_pid(pid);
	return result;
}

static u32 start_monitoring(const struct uc_command_item *item, u32 *detail, u64 *value)
{
	bool was_on = uc_sensor_is_on(UC_SENSOR_PROCESS);
	int error = uc_sensors_start(uc_command_sensors(item));

	*detail = -error;
	*value = READ_ONCE(uc_sensors_on);
	if (!was_on && uc_sensor_is_on(UC_SENSOR_PROCESS))
		snapshot_due = true;
	return error ? UC_RESULT_FAILED : UC_RESULT_DONE;
}

void uc_commands_execute(struct uc_command_item *item)
{
	struct uc_command_result *result = &item->result;

	switch (item->kind) {
	case UC_COMMAND_PING:
	case UC_COMMAND_QUIESCE:
		result->result = UC_RESULT_DONE;
		break;
	case UC_COMMAND_START_MONITORING:
		result->result = start_monitoring(item, &result->detail, &result->value);
		break;
	case UC_COMMAND_STOP_MONITORING:
		uc_sensors_stop();
		result->result = UC_RESULT_DONE;
		break;
	case UC_COMMAND_KILL_PROCESS:
		result->result = kill_process(item, &result->detail);
		break;
	case UC_COMMAND_RULES_BEGIN:
		result->result = uc_verdict_rules_begin(item->body, item->body_bytes);
		break;
	case UC_COMMAND_RULES_ADD:
		result->result = uc_verdict_rules_add(item->body, item->body_bytes);
		break;
	case UC_COMMAND_RULES_COMMIT:
		result->result = uc_verdict_rules_commit(item->body, item->body_bytes);
		result->value = uc_verdict_generation();
		break;
	case UC_COMMAND_UNREGISTER_ACK:
		acknowledged = true;
		result->result = UC_RESULT_DONE;
		break;
	default:
		result->result = UC_RESULT_UNSUPPORTED;
		break;
	}
}

void uc_commands_follow_up(void)
{
	if (!snapshot_due)
		return;
	snapshot_due = false;
	uc_process_snapshot();
}

void uc_commands_reset(void)
{
	snapshot_due = false;
	acknowledged = false;
}

bool uc_commands_acknowledged(void)
{
	return acknowledged;
}
