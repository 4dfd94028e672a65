// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Who acts: fills the event header that opens every record. Called by all sensors, in process
 * context with preemption off. It takes no lock and never sleeps.
 */
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/proc_ns.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include "compat.h"
#include "undercroft.h"

static bool mount_namespace_known;

static u32 mount_namespace_of(struct task_struct *task)
{
	/* An exiting task has let go of its namespaces already. */
	struct nsproxy *proxy = READ_ONCE(task->nsproxy);

	if (!mount_namespace_known || !proxy)
		return 0;
	return READ_ONCE(uc_compat_mount_ns(proxy)->inum);
}

/* Fills all but the sequence, which the ring gives. The caller holds the task alive. */
void uc_identity_fill(struct uc_event_header *header, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	const struct cred *cred;

	header->boottime_ns = ktime_get_boot_fast_ns();
	header->process_start_ns = leader->start_boottime;
	header->pid = task->tgid;
	header->tid = task->pid;
	header->exec_generation = uc_exec_generation(task);
	header->cpu = raw_smp_processor_id();
	rcu_read_lock();
	header->cgroup_id = cgroup_id(task_dfl_cgroup(task));
	header->parent_pid = rcu_dereference(leader->real_parent)->tgid;
	cred = __task_cred(task);
	header->uid = __kuid_val(cred->uid);
	header->gid = __kgid_val(cred->gid);
	/* Another task may free its namespaces under us; only one's own are stable. */
	header->mount_namespace = task == current ? mount_namespace_of(task) : 0;
	rcu_read_unlock();
}

/* Tries the guess about mount namespaces on our own, without trusting what it points at. */
void uc_identity_init(void)
{
	struct ns_common *guess = uc_compat_mount_ns(current->nsproxy);
	const struct proc_ns_operations *ops;
	struct ns_common copy;
	int type;

	if (copy_from_kernel_nofault(&copy, guess, sizeof(copy)))
		return;
	ops = copy.ops;
	if (copy_from_kernel_nofault(&type, &ops->type, sizeof(type)))
		return;
	mount_namespace_known = type == CLONE_NEWNS;
}
