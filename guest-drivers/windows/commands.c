/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Carries out what the server commands. Runs in the link's thread, one command at a time; the core
 * has checked form, deadline and repetition.
 */
#include "undercroft.h"
#include "../core/uc_command.h"

static bool snapshot_due;
/* The server asked for processes, and knows those that run. */
static bool watching;
static bool acknowledged;

_IRQL_requires_max_(PASSIVE_LEVEL)
static uint32_t start_monitoring(const struct uc_command_item *item, uint64_t *value)
{
	const uint64_t wanted = uc_command_sensors(item) & uc_capabilities & UC_SENSORS_ALL;

	uc_sensors_set(wanted);
	*value = wanted;
	/* Volumes first: the records after them are read with their letters. */
	uc_volumes_tell(true);
	uc_pre_ring_flush(wanted);
	if (!watching && (wanted & UC_SENSOR_PROCESS))
		snapshot_due = true;
	watching = (wanted & UC_SENSOR_PROCESS) != 0;
	return UC_RESULT_DONE;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_commands_execute(struct uc_command_item *item)
{
	struct uc_command_result *result = &item->result;
	struct uc_command_kill_process kill;

	switch (item->kind) {
	case UC_COMMAND_PING:
	case UC_COMMAND_QUIESCE:
		result->result = UC_RESULT_DONE;
		break;
	case UC_COMMAND_START_MONITORING:
		result->result = start_monitoring(item, &result->value);
		break;
	case UC_COMMAND_STOP_MONITORING:
		uc_sensors_set(0);
		watching = false;
		result->result = UC_RESULT_DONE;
		break;
	case UC_COMMAND_KILL_PROCESS:
		uc_command_kill(item, &kill);
		result->result = uc_kill(&kill, &result->detail);
		break;
	case UC_COMMAND_RULES_BEGIN:
	case UC_COMMAND_RULES_ADD:
		result->result = uc_verdict_rules(item);
		break;
	case UC_COMMAND_RULES_COMMIT:
		result->result = uc_verdict_rules(item);
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

/* What a command started and what may take longer than its acknowledgement. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_commands_follow_up(void)
{
	if (!snapshot_due)
		return;
	snapshot_due = false;
	uc_process_snapshot();
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_commands_reset(void)
{
	snapshot_due = false;
	watching = false;
	acknowledged = false;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
bool uc_commands_acknowledged(void)
{
	return acknowledged;
}
