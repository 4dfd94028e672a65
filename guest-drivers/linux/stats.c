// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Counters of the driver: a copy a CPU, summed for the status page and for read-only module
 * parameters (/sys/module/undercroft/parameters).
 */
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/sysfs.h>
#include "../core/uc_link.h"
#include "undercroft.h"

struct uc_stats __percpu *uc_stats;

int uc_stats_init(void)
{
	uc_stats = alloc_percpu(struct uc_stats);
	return uc_stats ? 0 : -ENOMEM;
}

void uc_stats_exit(void)
{
	free_percpu(uc_stats);
	uc_stats = NULL;
}

void uc_stats_reset(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(uc_stats, cpu), 0, sizeof(struct uc_stats));
}

void uc_stats_fill(struct uc_status *status)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct uc_stats *stats = per_cpu_ptr(uc_stats, cpu);

		status->verdicts_allowed += READ_ONCE(stats->verdicts_allowed);
		status->verdicts_denied += READ_ONCE(stats->verdicts_denied);
		status->hashes_done += READ_ONCE(stats->hashes_done);
		status->hashes_skipped += READ_ONCE(stats->hashes_skipped);
	}
}

static int show_state(char *buffer, const struct kernel_param *param)
{
	static const char *const names[] = {
		[UC_LINK_OFFLINE] = "offline",
		[UC_LINK_HELLO_SENT] = "registering",
		[UC_LINK_READY] = "ready",
		[UC_LINK_QUARANTINED] = "quarantined",
		[UC_LINK_QUIESCED] = "quiesced",
		[UC_LINK_LEAVING] = "leaving",
		[UC_LINK_LEFT] = "left",
	};
	u32 state = uc_link_state();

	return sysfs_emit(buffer, "%s\n", state < ARRAY_SIZE(names) ? names[state] : "absent");
}

static int show_word(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "0x%llx\n", READ_ONCE(*(u64 *)param->arg));
}

static int show_sequence(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%llu\n", uc_counter_load(&uc_sequence.last));
}

static int show_doorbell(char *buffer, const struct kernel_param *param)
{
	u64 rings = 0;
	int cpu;

	if (!uc_doorbell_is_there())
		return sysfs_emit(buffer, "none\n");
	for_each_possible_cpu(cpu)
		rings += READ_ONCE(per_cpu_ptr(uc_stats, cpu)->doorbell_rings);
	return sysfs_emit(buffer, "rings %llu interrupts %llu commands %llu\n", rings,
			  uc_doorbell_interrupts(), uc_doorbell_commands());
}

static const struct kernel_param_ops state_ops = { .get = show_state };
static const struct kernel_param_ops doorbell_ops = { .get = show_doorbell };
static const struct kernel_param_ops word_ops = { .get = show_word };
static const struct kernel_param_ops sequence_ops = { .get = show_sequence };

module_param_cb(state, &state_ops, NULL, 0444);
MODULE_PARM_DESC(state, "registration with the server");
module_param_cb(doorbell, &doorbell_ops, NULL, 0444);
MODULE_PARM_DESC(doorbell, "rings of the server, its interrupts, and commands they brought");
module_param_cb(sensors, &word_ops, &uc_sensors_on, 0444);
MODULE_PARM_DESC(sensors, "sensors that are on, UC_SENSOR_*");
module_param_cb(capabilities, &word_ops, &uc_capabilities, 0444);
MODULE_PARM_DESC(capabilities, "sensors and actions that work on this kernel");
module_param_cb(sequence, &sequence_ops, NULL, 0444);
MODULE_PARM_DESC(sequence, "records attempted since the driver found its region");
